"""The parts of the report that show one experiment at a time: data, protocol, figures, classes."""

from pathlib import Path
from typing import Any

import pandas as pd

from kerasqueeze.errors import UserError
from kerasqueeze.history import tables as tables_of_csv
from kerasqueeze.study import confusion
from kerasqueeze.study.figures import confusion as confusion_figure
from kerasqueeze.study.figures import layers as layers_figure
from kerasqueeze.study.figures.curves import combined_path, intervals_path, single_path
from kerasqueeze.study.labels import label
from kerasqueeze.study.questions import Question
from kerasqueeze.study.report.text import seen, table
from kerasqueeze.study.results import Result
from kerasqueeze.study.summary import control_cell, limits, model_name, optimizer_name, summarise

TITLES = {
    "stanford_dogs": "Stanford Dogs",
    "stanford_cars": "Stanford Cars",
    "cifar10": "CIFAR-10",
    "digits": "Digits",
    "folder": "Photos of a folder",
}
MOST_CLASSES = 24
"""Up to so many classes the report lists all of them; else the ten best and the ten worst."""


def data_name(results: list[Result]) -> str:
    """Return the data set's name to read."""
    name = str(results[0].data["name"])
    return TITLES.get(name, name)


def question(results: list[Result], asked: list[Question]) -> str:
    """Return what is asked."""
    kinds = {question.kind for question in asked}
    models = " and ".join(sorted({model_name(r.settings["model"]) for r in results}))
    lines = [f"How well does {models} tell the {results[0].data['classes']} classes of {data_name(results)} apart?"]
    if "optimizer" in kinds:
        lines.append("- Does AMSGrad do better than Adam, seed for seed?")
    if "pretraining" in kinds:
        lines.append("- How much do ImageNet's weights bring against random ones?")
    if "control" in kinds:
        lines.append(
            "- Is a fine-tuned network above the same pretrained network that was not trained on these photos?"
        )
    return "## Question\n\n" + "\n".join(lines).replace("\n- ", "\n\n- ", 1)


def data(results: list[Result]) -> str:
    """Return which photos, how they were split, and their fingerprints."""
    found = results[0].data
    prints = sorted({(r.settings["image_size"], r.data["fingerprint"]) for r in results})
    rows = [[found["classes"], found["train"], found["validation"], found["test"]]]
    official = (
        "Validation is cut from the official training half, the same share of each class; the official test half is "
        "the test. "
        if found["name"] == "stanford_dogs"
        else ""
    )
    kept = [f"`{r.name}`" for r in results if r.settings.get("keep") == "last"]
    last = f" (the last epoch's in {', '.join(kept)})" if kept else ""
    return "\n\n".join(
        [
            "## Data and split",
            table(["classes", "training photos", "validation photos", "test photos"], rows),
            f"{official}Early stopping and every choice look at the validation photos alone; the test photos are "
            "scored once a seed, after training, with the weights of the lowest validation loss"
            f"{last}. Fingerprint of all "
            f"pixels and labels: {', '.join(f'`{digest}` at {size} px' for size, digest in prints)}.",
            seen(results),
        ]
    ).strip()


def protocol(results: list[Result]) -> str:
    """Return the settings: those all arms share in a line, the others in a table."""
    keys = [key for key in dict.fromkeys(key for r in results for key in r.settings) if key not in ("name", "dataset")]
    values = {key: [result.settings.get(key) for result in results] for key in keys}
    shared = {key: found[0] for key, found in values.items() if all(value == found[0] for value in found)}
    rows = [[key, *(_setting(v) for v in found)] for key, found in values.items() if key not in shared]
    rows.append(["seeds", *(", ".join(map(str, result.runs)) if result.trained else "any" for result in results)])
    parts = ["## Protocol", table(["setting", *(label(result) for result in results)], rows)]
    if shared:
        parts.append(
            "The same in all: " + ", ".join(f"`{key}={_setting(value)}`" for key, value in shared.items()) + "."
        )
    parts.append(
        "The learning rate rises linearly over `warmup_steps` and falls along half a cosine to 0 over all `epochs`, "
        "unless `schedule` names another course. "
        "Training stops early when the validation loss has been above its lowest value for `patience` epochs in which "
        "the training loss still fell. Training sees random crops of at least `crop_area` of a photo, resized to "
        "`crop_size` where there is one, mirrored half of the time where `flip`, brightness, contrast and saturation "
        "changed by factors of up to 1 ± `colour`, a box of up to `erase` of the area hidden in every second photo; "
        "validated and scored are whole photos of `image_size`. "
        "Where `ema_momentum` is above 0, validated, kept and scored is the moving average of the weights."
    )
    return "\n\n".join(parts)


def outcomes(results: list[Result]) -> str:
    """Return the table of test metrics with intervals, and its picture."""
    rows = []
    for result, row in zip(results, summarise(results).to_dict("records"), strict=True):
        metrics = [
            limits(row, metric) if metric in row else "" for metric in ("accuracy", "top5", "precision", "recall")
        ]
        begin = row["initialisation"] + (f", {row['head']} head" if result.pretrained else "")
        seeds = row["seeds"] if result.trained else "any"
        rows.append([label(result), begin, optimizer_name(row), seeds, *metrics, control_cell(row)])
    headers = ["experiment", "initialisation", "optimizer", "seeds", "accuracy", "top-5", "precision", "recall"]
    chance = 1 / results[0].data["classes"]
    return "\n\n".join(
        [
            "## Results on the test photos",
            table([*headers, "accuracy against the control"], rows),
            f"Guessing gives an accuracy of {chance:.4f}. Precision and recall are macro averages over the classes.",
            seen(results),
            picture("Test accuracy of every experiment with its 95 % interval", intervals_path(Path())),
            seen(results),
        ]
    ).strip()


def courses(results: list[Result], asked: list[Question]) -> str:
    """Return the pictures of training: compared arms side by side, the others alone."""
    parts, shown = ["## How training went"], set()
    for question in asked:
        if question.kind != "control":
            a, b = question.a, question.b
            parts += [picture(f"{a.name} against {b.name}", combined_path(Path(), a.name, b.name)), seen([a, b])]
            shown |= {a.name, b.name}
    for result in results:
        if result.trained and result.name not in shown:
            parts += [picture(f"{result.name}, epoch by epoch", single_path(Path(), result.name)), seen([result])]
    rows = [
        [label(r), seed, run["outcome"], run["epochs"], run.get("best_epoch"), run.get("reason", "")]
        for r in results
        if r.trained
        for seed, run in r.runs.items()
    ]
    if not rows:
        return ""
    parts.append(table(["experiment", "seed", "outcome", "epochs", "kept epoch", "why it ended"], rows))
    return "\n\n".join(part for part in [*parts, seen([r for r in results if r.trained])] if part)


def classes(results: list[Result]) -> str:
    """Return precision and recall of each class, the confusion matrix and the most confused pairs of each arm."""
    parts = ["## Class by class", "Counts are summed over seeds; precision and recall are those of the sum."]
    for result in results:
        matrix = confusion.of_result(result)
        if matrix is None:
            continue
        found = confusion.table(matrix, result.class_names, len(result.runs))
        pairs = confusion.most_confused(matrix, result.class_names)
        full = f"CSV/{result.name}_classes.csv"
        parts += [f"### {label(result)}", *_class_tables(found), f"All classes: [{full}]({full})."]
        if len(pairs):
            rows = [
                [r.true, r.predicted, r.count, f"{r.share:.3f}"] for r in pairs.itertuples(index=False, name="Pair")
            ]
            headers = ["true class", "taken for", "photos", "share of the true class"]
            parts += ["Most confused pairs:", table(headers, rows)]
        parts += [picture(f"Confusion matrix of {result.name}", confusion_figure.path(Path(), result.name))]
        parts += [seen([result])]
    return "\n\n".join(part for part in parts if part)


def layers(results: list[Result], out: Path) -> str:
    """Return what happened in the layers in the last epoch, where that was recorded, and its pictures."""
    columns = ["gradient_norm", "update_ratio", "weight_norm", "maximum_binds", "rate_ratio"]
    rows, pictures = [], []
    for result in results:
        path = out / "CSV" / f"{result.name}_layers.csv"
        if path.is_file():
            frame = read_table(path, ["seed", "epoch", "block", *columns])
            last = frame[frame["block"].eq("all") & frame["seed"].isin(list(result.runs))]
            last = last.loc[last.groupby("seed")["epoch"].idxmax(), columns].mean()
            rows.append([label(result), *(float(last[column]) for column in columns)])
            pictures += [picture(f"Layers of {result.name}", layers_figure.path(Path(), result.name)), seen([result])]
    if not rows:
        return ""
    said = (
        "All layers together, last epoch, mean over seeds. `maximum_binds` is the share of weights whose second moment "
        "lies below its maximum so far, `rate_ratio` the mean over the weights of the effective rate with that maximum "
        "over the rate without it; both are empty where there is no maximum."
    )
    shown = [r for r in results if (out / "CSV" / f"{r.name}_layers.csv").is_file()]
    parts = ["## What the optimizers did in the layers", said, table(["experiment", *columns], rows)]
    return "\n\n".join(part for part in [*parts, seen(shown), *pictures] if part)


def tables(out: Path) -> str:
    """Return the sweep and the log of recipes that were tried, where they are."""
    parts = []
    for file, title in (("sweep.csv", "The sweep"), ("recipe_log.csv", "What was tried")):
        path = out / "CSV" / file
        if path.is_file():
            frame = read_table(path, [])
            parts += [f"## {title}", f"From [CSV/{file}](CSV/{file})."]
            drawn = Path("PNG") / f"{path.stem}.png"
            if (out / drawn).is_file():
                parts.append(picture(title, drawn))
            parts.append(table(list(frame.columns), frame.astype(object).to_numpy().tolist()))
    return "\n\n".join(parts)


def _class_tables(found: pd.DataFrame) -> list[str]:
    headers = ["class", "photos", "precision", "recall", "F1", "mostly taken for"]

    def rows(frame: pd.DataFrame) -> list[list[Any]]:
        return [
            [r.name, r.photos, f"{r.precision:.3f}", f"{r.recall:.3f}", f"{r.f1:.3f}", r.mostly_taken_for]
            for r in frame.itertuples(index=False, name="Class")
        ]

    if len(found) <= MOST_CLASSES:
        return [table(headers, rows(found))]
    ordered = found.sort_values("f1", ascending=False, kind="stable")
    best, worst = table(headers, rows(ordered.head(10))), table(headers, rows(ordered.tail(10)[::-1]))
    return ["The ten best classes by F1:", best, "The ten worst:", worst]


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a CSV file that has to have some columns.

    Raises:
        UserError: It is none, or a column is missing.
    """
    frame = tables_of_csv.any_table(path, "move it away or write it again")
    missing = [column for column in columns if column not in frame]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}; write it again")
    return frame


def picture(text: str, path: Path) -> str:
    """Return a picture in Markdown."""
    return f"![{text}]({path.as_posix()})"


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
