"""Studies beside the main one: their tables, and the chapter of those whose files lie in folders of `CSV/`.

A study is a folder `CSV/<study>/` with the records, histories and predictions of its experiments. Its experiments are
read as `<study>/<experiment>`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import verdicts
from kerasqueeze.study.figures import optimizers as optimizers_figure
from kerasqueeze.study.report.text import seen, table
from kerasqueeze.study.results import Result, read
from kerasqueeze.study.statistics import MARGIN
from kerasqueeze.study.summary import OPTIMIZER_NAMES, intervals

FREE = {"backbone": "frozen: the head alone", "all_but_last_stage": "last stage and head", "none": "all"}


def of(results: Sequence[Result]) -> str:
    """Return the tables that belong to the kinds of experiments among the results; "" if none does."""
    parts = [epochs_by_freezing(results), optimizers(results)]
    return "\n\n".join(part for part in parts if part)


def epochs_by_freezing(results: Sequence[Result]) -> str:
    """Return training loss and test accuracy by what trains and for how many epochs, and by optimizer.

    It takes experiments of one phase that differ in the two, at least two parts of the network among them.
    """
    chosen = [r for r in results if r.trained and not r.settings.get("phases") and "freeze" in r.settings]
    if len({r.settings["freeze"] for r in chosen}) < 2:
        return ""
    plain = [r for r in chosen if r.settings["optimizer"] != "momentum"]
    counts = sorted({r.settings["epochs"] for r in plain})
    rows = []
    for count in counts:
        cells = [next((r for r in plain if _key(r) == (part, count)), None) for part in FREE]
        rows.append([str(count), *map(_loss_and_accuracy, cells)])
    parts = [
        "Training loss of the kept epoch; accuracy on the test photos:",
        table(["epochs", *FREE.values()], rows),
    ]
    pairs = [
        (r, other)
        for r in chosen
        for other in plain
        if r.settings["optimizer"] == "momentum" and _key(r) == _key(other)
    ]
    if pairs:
        rows = [
            [f"{b.settings['epochs']}, {FREE[b.settings['freeze']]}", _loss_and_accuracy(b), _loss_and_accuracy(a)]
            for a, b in sorted(pairs, key=lambda pair: pair[1].settings["epochs"])
        ]
        parts.append(table(["epochs", "Adam", "SGD with momentum 0.9"], rows))
    return "\n\n".join(parts)


def _key(result: Result) -> tuple[str, int]:
    return result.settings["freeze"], result.settings["epochs"]


def _loss_and_accuracy(result: Result | None) -> str:
    if result is None:
        return "not run"
    return f"loss {_mean_kept(result, 'loss_train'):.3f}, accuracy {_limits(result)}"


def optimizers(results: Sequence[Result]) -> str:
    """Return a table of update rules from the same start; "" with fewer than three of them."""
    chosen = of_optimizers(results)
    if not chosen:
        return ""
    rows = [
        [
            OPTIMIZER_NAMES.get(r.settings["optimizer"], r.settings["optimizer"]),
            f"{r.settings['learning_rate']:g}",
            f"{_mean_kept(r, 'loss_train'):.3f}",
            f"{_mean_kept(r, 'loss_val'):.3f}",
            _limits(r),
            str(len(r.runs)),
        ]
        for r in chosen
    ]
    headers = [
        "update rule",
        "rate, chosen by validation",
        "training loss",
        "validation loss",
        "test accuracy",
        "seeds",
    ]
    return table(headers, rows)


def of_optimizers(results: Sequence[Result]) -> list[Result]:
    """Return the experiments that compare update rules, at least three of them; none otherwise."""
    found = [r for r in results if r.trained and r.settings["name"].startswith("optimizers_")]
    return found if len(found) > 2 else []


def _cars(results: Sequence[Result]) -> str:
    chance = 1 / results[0].data["classes"]
    rows = [
        [
            r.settings["name"],
            "/".join(run["outcome"] for run in r.runs.values()),
            _epochs(r),
            f"{_mean_kept(r, 'loss_val'):.3f}",
            _limits(r),
            _minutes(r),
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
        rows.append([r.settings["name"], told, _limits(r), _minutes(r)])
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
            rows.append([f"{r.settings['name']}: the control", "0", "", "", _limits(r)])
            continue
        epochs: list[Any] = r.rows.to_dict("records")
        lowest, last = min(epochs, key=lambda row: row["loss_val"]), epochs[-1]
        rows.append(
            [
                r.settings["name"],
                _epochs(r),
                f"{lowest['loss_val']:.3f} at epoch {int(lowest['epoch'])}",
                f"{last['loss_val']:.3f}, accuracy {last['accuracy_val']:.3f}",
                _limits(r),
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


def _mean_kept(result: Result, column: str) -> float:
    """Return the mean over seeds of a column of the history in the epoch whose weights were kept."""
    values = []
    for seed, run in result.runs.items():
        rows = result.rows[result.rows["seed"] == seed]
        epoch = int(rows["epoch"].max()) if result.settings.get("keep") == "last" else run["best_epoch"]
        values.append(float(rows.loc[rows["epoch"] == epoch, column].iloc[0]) if epoch else float("nan"))
    return sum(values) / len(values)


def _limits(result: Result) -> str:
    try:
        found = intervals(result)["accuracy"]
    except UserError:
        return "not scored"
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _epochs(result: Result) -> str:
    return "/".join(str(run["epochs"]) for run in result.runs.values())


def _minutes(result: Result) -> str:
    seconds: list[Any] = [run["seconds"] for run in result.runs.values()]
    return f"{sum(seconds) / len(seconds) / 60:.1f}"
