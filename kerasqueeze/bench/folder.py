"""How fast a folder of photos is classified: the network alone, decoding alone, and both side by side.

    python -m kerasqueeze.bench.folder MODEL [MODEL...] --photos DIR

Decoding and network share the cores. Where each keeps all of them busy, both together can be no faster than
1 / (1 / network + 1 / decoding); with cores to spare, as fast as the slower of the two. Rounds alternate; median of
them. Writes CSV/bench_folder.csv below --out.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasqueeze.deploy import photos, predict
from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.deploy.runtimes import open_model
from kerasqueeze.files import whole_file
from kerasqueeze.training import provenance


def main() -> None:
    """Read the options, measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--photos", required=True, metavar="DIR")
    parser.add_argument("--most", type=int, default=768, help="photos (default: 768)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    found = photos.find([arguments.photos])
    found = found[:: max(1, len(found) // arguments.most)][: arguments.most]
    rows = [measured(open_model(model), found, arguments.rounds) for model in arguments.models]
    frame = pd.DataFrame(rows)
    with whole_file(arguments.out / "CSV" / "bench_folder.csv") as part:
        frame.to_csv(part, index=False, lineterminator="\n")
    print(frame.to_string(index=False))


def measured(classifier: Classifier, found: Sequence[photos.Photo], rounds: int) -> dict[str, Any]:
    """Return photos a second of the network alone, of decoding alone, and of both."""
    images = np.stack([photos.prepare(photo.source, classifier.card) for photo in found[:256]])

    def network() -> int:
        for start in range(0, len(images), BATCH):
            classifier.logits(images[start : start + BATCH])
        return len(images)

    def decoding() -> int:
        return sum(1 for _ in photos.decoded(found, classifier.card))

    def both() -> int:
        return sum(1 for _ in predict.predict(classifier, found))

    network()
    rates = {work.__name__: [] for work in (network, decoding, both)}
    for _, work in itertools.product(range(rounds), (network, decoding, both)):
        rates[work.__name__].append(_rate(work))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    possible = 1 / (1 / middle["network"] + 1 / middle["decoding"])
    return {
        "runtime": classifier.runtime,
        "pixels": classifier.card.pixels,
        "photos": len(found),
        "rounds": rounds,
        **{f"{name}_per_second": round(value, 1) for name, value in middle.items()},
        "of_network": round(middle["both"] / middle["network"], 3),
        "of_possible_on_shared_cores": round(middle["both"] / possible, 3),
        "cores": provenance.hardware()["cores"],
        "processor": provenance.hardware()["processor"],
    }


def _rate(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
