"""The parts of the report that compare: the verdicts, what stands behind them, and their limits."""

import math

from kerasqueeze.study.labels import label
from kerasqueeze.study.questions import Question
from kerasqueeze.study.report.text import INTERVALS, seen, table
from kerasqueeze.study.results import METRICS, Result
from kerasqueeze.study.verdicts import cautions, different_settings, judge, mcnemar_words

TITLES = {
    "optimizer": "Adam or AMSGrad?",
    "pretraining": "Pretrained or from scratch?",
    "control": "Above the control?",
}
LEADS = {
    "optimizer": "Where the arms are pairs, a seed fixes initial weights, batches, augmentation and dropout of both.",
    "pretraining": "The initial weights are what is compared, so these arms cannot be pairs.",
    "control": "The control is the pretrained network as it comes: its own scores for the classes, nothing trained.",
}


def in_short(results: list[Result], asked: list[Question], margin: float) -> str:
    """Return the verdicts alone, a line each."""
    if not asked:
        return "## In short\n\nThe experiments that are here answer no question by comparison; their figures follow."
    lines = []
    for question in asked:
        verdict = judge(question.a, question.b, margin=margin)
        lines.append(f"- **{TITLES[question.kind]}** {_capital(verdict.words)}")
        if math.isnan(verdict.interval.low) and verdict.by_photos is None:
            lines += [f"  Photos: {mcnemar_words(verdict.a, verdict.b, test)}" for test in verdict.photos.values()]
    return "\n\n".join(["## In short", "\n".join(lines), seen(results)]).strip()


def section(kind: str, asked: list[Question], margin: float) -> str:
    """Return the comparisons of one kind with intervals for every metric, McNemar's test and the power."""
    chosen = [question for question in asked if question.kind == kind]
    if not chosen:
        return ""
    parts = [f"## {TITLES[kind]}", LEADS[kind]]
    for question in chosen:
        a, b = question.a, question.b
        verdict = judge(a, b, margin=margin)
        different = different_settings(a, b)
        parts += [
            f"### {label(a)} against {label(b)}",
            f"**{_capital(verdict.words)}**",
            _metrics(a, b),
            "\n".join(f"- {line}" for line in [*verdict.details(), _settings(different, kind)]),
            seen([a, b]),
        ]
    return "\n\n".join(part for part in parts if part)


def limits(results: list[Result], asked: list[Question], missing: list[str], margin: float) -> str:
    """Return what the figures cannot tell: seeds, sizes, cut-downs, what is missing."""
    lines = []
    single = [result.name for result in results if result.trained and len(result.runs) == 1]
    if single:
        lines.append(
            f"**One seed**: {', '.join(single)}. Their intervals are over photos alone; seeds may differ by more."
        )
    several = [f"{result.name} {len(result.runs)}" for result in results if result.trained and len(result.runs) > 1]
    if several:
        lines.append(f"**Few seeds**: {', '.join(several)}. What they could have shown stands beside each verdict.")
    sizes = sorted({result.settings["image_size"] for result in results})
    small = ", below the 224 px that ImageNet's weights were trained at" if sizes[0] < 224 else ""
    lines.append(f"**Image size**: {' and '.join(f'{size} px' for size in sizes)}{small}.")
    epochs = sorted({run["epochs"] for result in results if result.trained for run in result.runs.values()})
    if epochs:
        lines.append(f"**Epochs**: {' or '.join(map(str, epochs))}. More may change who is ahead.")
    cut = [
        f"{result.name} at most {result.settings['limit']} photos a class"
        for result in results
        if result.settings.get("limit")
    ]
    if cut:
        lines.append(f"**Cut down**: {', '.join(cut)}.")
    if len(asked) > 1:
        lines.append(f"**{len(asked)} comparisons**, each at its own 5 % level; nothing is corrected for their number.")
    if missing:
        lines.append(f"**Not here**: {', '.join(missing)}. Not run, not finished, or not of the chosen seeds.")
    lines += [caution for result in results for caution in cautions(result)]
    body = "\n".join(f"- {line}" for line in lines)
    return f"## Limits\n\n{body}\n\n### How to read the intervals\n\n{INTERVALS.format(margin=f'{margin:g}')}"


def _metrics(a: Result, b: Result) -> str:
    rows = []
    for metric in METRICS:
        if any(metric not in run["test"] for result in (a, b) for run in result.runs.values()):
            continue
        found = judge(a, b, metric).interval
        first, second = (result.test(metric).values() for result in (a, b))
        interval = "" if math.isnan(found.low) else f"[{found.low:+.4f}, {found.high:+.4f}]"
        means = [f"{sum(values) / len(values):.4f}" for values in (first, second)]
        rows.append([metric, *means, f"{found.estimate:+.4f}", interval])
    return table(["test metric", label(a), label(b), "difference", "95 % interval"], rows)


def _settings(different: list[str], kind: str) -> str:
    listed = f"The arms differ in: {', '.join(different) or 'nothing'}."
    if kind == "pretraining" and set(different) - {"weights", "head"}:
        return f"{listed} So the whole recipes are compared, not the initial weights alone."
    return listed


def _capital(sentence: str) -> str:
    """Begin the verdict with a capital where its first word is a verdict, not a name."""
    first = sentence.split()[0].rstrip(":")
    return sentence[0].upper() + sentence[1:] if first in ("undecided", "equivalent") else sentence
