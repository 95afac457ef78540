"""The chapter on exports, from what their benchmark left in CSV/."""

from pathlib import Path

from kerasqueeze.study.report.chapters.sections import read_table
from kerasqueeze.study.report.text import table

COLUMNS = ["format", "weights", "bytes", "accuracy", "accuracy_low", "accuracy_high", "lost", "lost_low", "lost_high"]
COLUMNS += ["largest_difference", "same_class", "images_per_second", "keras_images_per_second", "first_answer_seconds"]
COLUMNS += ["photos", "processor"]


def chapter(out: Path) -> str:
    """Return the chapter; "" where nothing was measured.

    Raises:
        UserError: The file is no such table.
    """
    path = out / "CSV" / "bench_exports.csv"
    if not path.is_file():
        return ""
    found = read_table(path, COLUMNS)
    rows = [
        [
            row["format"],
            {"none": "float32"}.get(row["weights"], row["weights"]),
            f"{row['bytes'] / 1e6:.3f}",
            f"{row['accuracy']:.4f} [{row['accuracy_low']:.4f}, {row['accuracy_high']:.4f}]",
            "" if row["format"] == "keras" else _points(row),
            f"{row['largest_difference']:.2g}",
            f"{100 * row['same_class']:.1f} %",
            f"{row['images_per_second']:.0f}",
            f"{row['first_answer_seconds']:.2f}",
        ]
        for row in found.to_dict("records")
    ]
    headers = ["format", "weights", "MB", "accuracy", "points lost", "largest difference of a logit", "same class"]
    headers += ["photos/s", "seconds to the first answer"]
    first = found.iloc[0]
    return "\n\n".join(
        [
            "## Exports",
            f"One network, all {first['photos']} test photos, each file run by its own runtime on "
            f"{first['processor']}. Weights of 8 bits and fewer in ONNX files are rounded by what 256 training photos "
            "make of them (GPTQ), and those of fewer than 8 written compressed; LiteRT's int8 computes in whole "
            "numbers. Nothing was chosen by these scores. Points lost: against Keras on the same photos, with Bonett "
            "and Price's interval for paired shares. From [CSV/bench_exports.csv](CSV/bench_exports.csv).",
            table(headers, rows),
        ]
    )


def _points(row: dict) -> str:
    return f"{100 * row['lost']:+.2f} [{100 * row['lost_low']:+.2f}, {100 * row['lost_high']:+.2f}]"
