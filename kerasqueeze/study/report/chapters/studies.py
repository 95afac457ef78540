"""Studies beside the main one: their tables, and the chapter of those whose files lie in folders of `CSV/`.

A study is a folder `CSV/<study>/` with the records, histories and predictions of its experiments. Its experiments are
read as `<study>/<experiment>`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasqueeze import history
from kerasqueeze.study import verdicts
from kerasqueeze.study.figures import optimizers as optimizers_figure
from kerasqueeze.study.figures import reliability
from kerasqueeze.study.report.chapters import calibration
from kerasqueeze.study.report.chapters.study_tables import epochs_run, limits, mean_kept, minutes, of, of_optimizers
from kerasqueeze.study.report.text import seen, table
from kerasqueeze.study.results import Result, read
from kerasqueeze.study.statistics import MARGIN


def _cars(results: Sequence[Result]) -> str:
    chance = 1 / results[0].data["classes"]
    rows = [
        [
            r.settings["name"],
            "/".join(run["outcome"] for run in r.runs.values()),
            epochs_run(r),
            f"{mean_kept(r, 'loss_val'):.3f}",
            limits(r),
            minutes(r),
        ]
        for r in results
    ]
    headers = ["experiment", "outcome", "epochs", "validation loss", "test accuracy", "minutes"]
    about = (
        f"Guessing gives {chance:.4f}: the control of chance, for ImageNet's training set holds none of these photos."
    )
    pairs = [("cars_fine_tuning_adam", "cars_fine_tuning_amsgrad"), ("cars_scratch_adam", "cars_scratch_amsgrad")]
    return "\n\n".join([table(headers, rows), about, *_compared(results, pairs)])


def _freezing(results: Sequence[Result]) -> str:
    rows = []
    for r in results:
        phases = next(iter(r.runs.values())).get("phases", [])
        told = (
            "untouched: the control"
            if not r.trained
            else "; ".join(
                f"{phase['free']} {phase['epochs']} epochs{', front ' + phase['front'] if phase['front'] else ''}"
                for phase in phases
            )
        )
        rows.append([r.settings["name"], told, limits(r), minutes(r)])
    arms = ("dogs_head_alone", "dogs_freeze_then_free", "dogs_all_free")
    pairs = [*((arm, "dogs_all_free") for arm in arms[:2]), ("dogs_freeze_then_free", "fine_tuning_adam")]
    pairs += [(arm, "zero_training") for arm in arms]
    return "\n\n".join(
        [
            table(["experiment", "phases", "test accuracy", "minutes of training and features"], rows),
            *_compared(results, pairs),
        ]
    )


def _as_reported(results: Sequence[Result]) -> str:
    rows = []
    for r in results:
        if not r.trained:
            rows.append([f"{r.settings['name']}: the control", "0", "", "", limits(r)])
            continue
        epochs: list[Any] = r.rows.to_dict("records")
        lowest, last = min(epochs, key=lambda row: row["loss_val"]), epochs[-1]
        rows.append(
            [
                r.settings["name"],
                epochs_run(r),
                f"{lowest['loss_val']:.3f} at epoch {int(lowest['epoch'])}",
                f"{last['loss_val']:.3f}, accuracy {last['accuracy_val']:.3f}",
                limits(r),
            ]
        )
    headers = ["experiment", "epochs", "lowest validation loss", "last epoch's", "test accuracy"]
    base = ("dogs_as_reported_adam", "dogs_as_reported_amsgrad")
    pairs = [
        base,
        *((name, "zero_training") for name in base),
        *((f"{name}_stopped", name) for name in base),
        tuple(f"{name}_stopped" for name in base),
    ]
    return "\n\n".join([table(headers, rows), *_compared(results, pairs)])


def _compared(results: Sequence[Result], pairs: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the verdict on each pair that is there, as items of a list."""
    by_name = {r.settings["name"]: r for r in results}
    found = [
        str(verdicts.compare(by_name[a], by_name[b], margin=MARGIN)) for a, b in pairs if a in by_name and b in by_name
    ]
    return ["\n".join(f"- {' '.join(text.split())}" for text in found)] if found else []


@dataclass(frozen=True)
class Study:
    """A chapter's part.

    Attributes:
        title: Its heading.
        about: What is asked, in a sentence or two.
        show: Makes its tables.
    """

    title: str
    about: str
    show: Callable[[Sequence[Result]], str]


STUDIES = {
    "as_reported": Study(
        "The first study as it was run",
        "Squashed photos, no augmentation, a new head, one cycle of the rate, 30 epochs to the end; and the same "
        "stopped at overfitting. It was reported with a validation accuracy of 0.633 (Adam) and 0.638 (AMSGrad), on a "
        "random split without a seed, and its lowest validation loss at epochs 14 and 11.",
        _as_reported,
    ),
    "freeze": Study(
        "Freeze, then free",
        "A lecture's recipe on Stanford Dogs: train a new head on the frozen network, unfreeze, go on; against all "
        "free from the start, and against the head alone. What does freezing cost in accuracy and save in minutes?",
        _freezing,
    ),
    "cifar10": Study(
        "CIFAR-10: what trains, for how long, with which rule",
        "The table of an earlier project, with the test accuracy that it did not look at; a sample of 4,500 training "
        "and 1,000 test photos, enlarged to 128 pixels on the device.",
        of,
    ),
    "cifar10_mobilenet": Study(
        "The same with a MobileNet a quarter as wide",
        "Another pretrained network, `keras.applications`' MobileNet of 218,544 parameters (`--model mobilenet "
        "--width 0.25`), on the same photos.",
        of,
    ),
    "cars": Study(
        "196 models of cars",
        "An earlier project's network stayed at a loss of ln 196 = 5.278 for ten epochs with either optimizer; "
        "`cars_as_reported` does the same. Adam's first steps, each as long as the rate whatever the gradient, silence "
        "the last fire module, and no gradient comes back through it. A warm-up alone lets it start, clipping "
        "alone does not. Starting is not yet learning: there are 19 photos a class.",
        _cars,
    ),
    "deployed": Study(
        "Can the probabilities be taken at their word?",
        "The networks that the chapters on unseen photos and on exports use: the control, fine-tuned with Adam, and "
        "trained from scratch; one seed each, with the settings of the main results.",
        lambda results: calibration.of(results, "deployed"),
    ),
    "optimizers_digits": Study(
        "Update rules on the digits", "From random weights, each rule at the best rate of a sweep by validation.", of
    ),
    "optimizers_cifar10": Study(
        "Update rules on photos",
        "The sample of CIFAR-10 at 64 pixels, from ImageNet's weights with a new head, each rule at the best rate of a "
        "sweep.",
        of,
    ),
}


def gather(out: Path) -> dict[str, list[Result]]:
    """Return the results of each study that has a folder below `CSV/`.

    Raises:
        UserError: A file of theirs is damaged or was changed.
    """
    found = {}
    for study in STUDIES:
        folder = Path(out) / "CSV" / study
        names = [path.stem for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
        results = []
        for name in names:
            record = history.read_json(folder / f"{name}.json")
            if record["runs"]:
                results.append(replace(read(out, f"{study}/{name}"), name=name))
        if results:
            found[study] = sorted(results, key=lambda result: result.trained)  # controls first
    return found


def draw(out: Path, studies: dict[str, list[Result]]) -> None:
    """Draw the pictures of the studies."""
    for study, results in studies.items():
        if chosen := of_optimizers(results):
            optimizers_figure.draw(chosen, optimizers_figure.path(out, study))
        if study == "deployed" and (known := reliability.known(results)):
            reliability.draw(known, reliability.path(out, study))


def chapter(studies: dict[str, list[Result]]) -> str:
    """Return the chapter; "" if there is no study."""
    if not studies:
        return ""
    parts = [
        "## Other studies: freezing, optimizers, other photos",
        "Each is a folder below `CSV/`, with its records; what was cut down is in their settings. With one seed an "
        "interval is over photos, and the photos decide between networks, not between recipes.",
    ]
    for study, results in studies.items():
        parts += [f"### {STUDIES[study].title}", f"{STUDIES[study].about} Files: `CSV/{study}/`.", _cut_down(results)]
        parts += [STUDIES[study].show(results), seen(results)]
        if of_optimizers(results):
            picture = optimizers_figure.path(Path(), study).as_posix()
            parts.append(f"![Losses and accuracy of the update rules, epoch by epoch]({picture})")
    return "\n\n".join(part for part in parts if part)


def _cut_down(results: Sequence[Result]) -> str:
    sizes = sorted({r.settings.get("enlarge") or r.settings["image_size"] for r in results})
    seeds = sorted({len(r.runs) for r in results})
    counted = " or ".join(map(str, seeds))
    return (
        f"{results[0].data['train']:,} photos to train on, {results[0].data['validation']:,} to validate, "
        f"{results[0].data['test']:,} to test; {' and '.join(map(str, sizes))} pixels; {counted} "
        f"seed{'' if seeds == [1] else 's'} each."
    )
