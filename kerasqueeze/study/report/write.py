"""The report: every finished experiment of one data set in one text, made from the CSV and JSON files alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerasqueeze import history
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.files import whole_file, write_text
from kerasqueeze.study import confusion, evidence, experiments, questions
from kerasqueeze.study.figures import curves, experiment, reliability
from kerasqueeze.study.questions import Question
from kerasqueeze.study.report import html, text
from kerasqueeze.study.report.chapters import (
    calibration,
    exports,
    origin,
    sections,
    speed,
    studies,
    study_tables,
    unseen,
    verdicts,
)
from kerasqueeze.study.results import Result, read
from kerasqueeze.study.statistics import MARGIN


@dataclass(frozen=True)
class Material:
    """What a report is made of.

    Attributes:
        out: Folder with CSV/ and PNG/, where the report goes.
        results: The experiments, controls first, then in the order of their names.
        missing: Experiments that were wanted and are not there.
        asked: The comparisons.
        margin: A difference in accuracy below which two experiments count as equivalent.
        studies: Other studies, with their experiments.
        evaluations: Networks on photos that they were not made for.
    """

    out: Path
    results: list[Result]
    missing: list[str] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    margin: float = MARGIN
    studies: dict[str, list[Result]] = field(default_factory=dict)
    evaluations: list[unseen.Evaluation] = field(default_factory=list)


def write(
    out: Path,
    names: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    margin: float = MARGIN,
) -> tuple[Path, Path]:
    """Write `REPORT.md` and `REPORT.html` below `out`, with their pictures in PNG/ and class tables in CSV/.

    Args:
        out: Folder that `CSV/` lies in.
        names: Experiments to report on; all of `out` if None. Those that are not there are named in the limits.
        seeds: Seeds to report on; all if None.
        margin: A difference in accuracy below which two experiments count as equivalent.

    Returns:
        The paths of both files.

    Raises:
        UserError: If there is nothing to report on, or files are partial, stale, of different code or other photos.
    """
    material = gather(Path(out), names, seeds, margin)
    _draw(material)
    _write_classes(material)
    composed = compose(material)
    markdown, page = Path(out) / "REPORT.md", Path(out) / "REPORT.html"
    whole = html.page(composed, Path(out))
    write_text(markdown, composed)
    write_text(page, whole)
    return markdown, page


def gather(
    out: Path, names: Sequence[str] | None = None, seeds: Sequence[int] | None = None, margin: float = MARGIN
) -> Material:
    """Read and check what a report is made of.

    Raises:
        UserError: As `write`.
    """
    files = sorted((out / "CSV").glob("*.json"))
    chosen = [path for path in files if names and path.stem in names]
    records = {path: history.read_json(path) for path in chosen} if names else history.read_others(files)
    there = {path.stem: record["runs"] for path, record in records.items()}
    for name in names or ():
        if name not in experiments.EXPERIMENTS and name not in there:
            others = {path.stem for path in files if not path.name.startswith(".")}
            raise unknown("experiment", name, {*experiments.EXPERIMENTS, *others})
    # A sweep never looks at the test photos: no part of a report unless it is named.
    scored = [name for name, runs in there.items() if name in experiments.EXPERIMENTS or _scored(runs)]
    found = [read(out, name) for name in names or scored if there.get(name)]
    if seeds is not None:
        found = [result.only(set(seeds)) for result in found]
        found = [result for result in found if result.runs]
    if not found:
        raise UserError(f"no finished experiment below {out}; run one first: python scripts/run.py --out {out}")
    found.sort(key=lambda result: (result.trained, result.name))
    evidence.check(found)
    dataset = found[0].data["name"]
    known = [name for name, arm in experiments.EXPERIMENTS.items() if arm.dataset == dataset]
    wanted = names or list(dict.fromkeys([*known, *scored]))
    others = {} if names else studies.gather(out)
    shown = {result.name for results in (found, *others.values()) for result in results}
    missing = [name for name in wanted if name not in shown]
    asked = questions.ask(found)
    for question in asked:
        if question.kind == "optimizer":
            evidence.check_pair_is_complete(question.a, question.b)
    return Material(out, found, missing, asked, margin, others, [] if names else unseen.gather(out))


def compose(material: Material) -> str:
    """Return the report in Markdown; its pictures have to be drawn already."""
    results, asked, out, margin = material.results, material.asked, material.out, material.margin
    title = f"# {sections.data_name(results)}: what {len(results)} experiments show"
    parts = [
        title,
        verdicts.in_short(results, asked, margin),
        sections.question(results, asked),
        sections.data(results),
        sections.protocol(results),
        sections.outcomes(results),
        *(verdicts.section(kind, asked, margin) for kind in ("optimizer", "pretraining", "control")),
        study_tables.of(results),
        sections.courses(results, asked),
        sections.classes(results),
        calibration.section(results),
        sections.layers(results, out),
        sections.tables(out),
        studies.chapter(material.studies),
        unseen.chapter(material.evaluations),
        exports.chapter(out),
        origin.cost(results),
        speed.section(out),
        verdicts.limits(results, asked, material.missing, margin),
        f"## What a Fire block, Adam and AMSGrad compute\n\n{text.theory(results)}",
        origin.provenance(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scored(runs: dict) -> bool:
    return any("test" in run for run in runs.values())


def _draw(material: Material) -> None:
    """Draw every picture of the report again, so that none is older than the numbers."""
    out = material.out
    studies.draw(out, material.studies)
    if known := reliability.known(material.results):
        reliability.draw(known, reliability.path(out))
    curves.draw_intervals(material.results, curves.intervals_path(out))
    for question in material.asked:
        if question.kind != "control":
            curves.draw([question.a, question.b], curves.combined_path(out, question.a.name, question.b.name))
    for result in material.results:
        experiment.draw_result(result, out)


def _write_classes(material: Material) -> None:
    for result in material.results:
        matrix = confusion.of_result(result)
        if matrix is not None:
            table = confusion.table(matrix, result.class_names, len(result.runs))
            with whole_file(material.out / "CSV" / f"{result.name}_classes.csv") as part:
                table.to_csv(part, index=False, lineterminator="\n", float_format="%.5f")
