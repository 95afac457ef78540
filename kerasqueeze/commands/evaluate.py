"""Score a trained network on photos whose classes are known: one folder a class.

    kerasqueeze evaluate --model models/fine_tuning_adam_seed0.keras --data-dir ~/my_dogs
    kerasqueeze evaluate --model dogs.onnx --dataset stanford_dogs --data-dir DIR --classes ~/my_dogs

Folders are matched with the network's classes by name or by WordNet id, and may be some of them: scores are among all
of the network's classes, and among those of the folders alone. Intervals are 95 % ones over the photos. A photo that
cannot be read is named and left out; the exit code is then 1.
"""

import argparse
import json
import sys
from pathlib import Path

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.errors import UserError


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(usage="%(prog)s --model MODEL --data-dir DIR [OPTIONS]", description=__doc__)
    options.add_model(parser)
    options.add_data_dir(parser)
    parser.add_argument("--dataset", metavar="NAME", help="score the test half of a data set in place of a folder")
    parser.add_argument(
        "--classes", metavar="A,B|DIR", help="of a data set, only these: names, WordNet ids, or a folder with theirs"
    )
    parser.add_argument(
        "--skip-unknown", action="store_true", help="leave out folders that are no class of the network"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument(
        "--save", metavar="NAME", help="write CSV/evaluations/NAME.csv and .json below --out, for the report"
    )
    options.add_out(parser)
    parser.add_argument("--quiet", action="store_true", help="show no progress, only warnings, errors and results")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Open, score, print."""
    if arguments.data_dir is None and arguments.dataset is None:
        raise UserError("no photos named; expected --data-dir DIR with one folder a class, or --dataset NAME")
    if arguments.classes and not arguments.dataset:
        raise UserError("--classes chooses among those of a --dataset; a folder's classes are its folders")
    if arguments.save:
        options.check_out(arguments.out, "CSV")
    progress.set_quiet(arguments.quiet)
    from kerasqueeze.deploy.runtimes import open_model

    classifier = open_model(arguments.model, arguments.runtime, arguments.weights)  # may start the process anew

    from kerasqueeze.deploy import labelled
    from kerasqueeze.study import evaluation

    if arguments.dataset:
        classes = _classes(arguments.classes)
        found = labelled.of_set(classifier, arguments.dataset, arguments.data_dir, classes)
    else:
        found = labelled.of_folder(
            classifier, options.folder(arguments.data_dir), "skip" if arguments.skip_unknown else "fatal"
        )
    for name, reason in found.broken.items():
        progress.warn(f"{name} cannot be decoded ({reason}); left out")
    count = len(classifier.class_names)
    frame = evaluation.rows(found.names, found.labels, classifier.calibrated(found.logits), found.classes)
    scores = {f"all {count}": evaluation.scores(frame, count, found.classes)}
    if len(found.classes) < count:
        scores[f"these {len(found.classes)}"] = evaluation.scores(frame, count, found.classes, only_among=True)
    error = evaluation.calibration_error(frame)
    if arguments.save:
        origin = {key: value for key, value in classifier.card.origin.items() if key != "versions"}
        about = {
            "model": Path(classifier.name).name,
            "runtime": classifier.runtime,
            "image_size": classifier.card.image_size,
            "temperature": classifier.card.temperature,
            "origin": origin,
            "photos": arguments.dataset or options.folder(arguments.data_dir).absolute().name,
            "count": len(frame),
            "class_numbers": list(found.classes),
            "classes": [classifier.card.class_names[number] for number in found.classes],
            "network_classes": count,
        }
        progress.say(f"rows in {evaluation.write(arguments.out, arguments.save, frame, about)}")
    (_print_json if arguments.json else _print_table)(scores, len(frame), error)
    if found.broken:
        sys.exit(1)


def _classes(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if Path(text).expanduser().is_dir():
        return sorted(path.name for path in Path(text).expanduser().iterdir() if path.is_dir())
    return options.names(text)


def _print_table(scores, photos: int, error: float) -> None:
    from kerasqueeze.study.report.text import table

    rows = [
        [among, photos, *(_limits(found.get(key)) for key in ("accuracy", "top5", "precision", "recall"))]
        for among, found in scores.items()
    ]
    whole = table(["among", "photos", "accuracy", "top-5", "precision", "recall"], rows)
    print(whole.replace("\\", ""))  # what Markdown would act on does no harm here
    print(f"\nExpected calibration error, among all: {error:.3f}")


def _limits(interval) -> str:
    return "" if interval is None else f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _print_json(scores, photos: int, error: float) -> None:
    among = {key: {metric: interval._asdict() for metric, interval in found.items()} for key, found in scores.items()}
    print(json.dumps({"photos": photos, "expected_calibration_error": error, "among": among}, indent=2))
