"""Whether two experiments may be compared at all, and whether their seeds are pairs.

Two runs of one seed are a pair when their first batch and their initial weights were the same and the same code ran
them: then they differ in the treatment alone. The records hold a hash of each; what has none cannot be shown to be a
pair.
"""

from kerasqueeze.errors import UserError
from kerasqueeze.study.results import Result

HASHES = {"initial_weights": "initial weights differ", "first_batch": "the first batch differs", "code": "code differs"}
"""What a pair has in common, as named in the records, and what to say where it has not."""
NUMERICS = {"numerics": "numeric settings differ"}
"""The same for what a record may be too old to hold."""
REMEDIES = {
    "initial_weights": "initial weights that differ are a treatment of their own: leave --paired out",
    "first_batch": "a first batch that differs comes of another image size, batch size, crop or data: set them alike "
    "and run again with --fresh, or leave --paired out",
    "code": "run both again by the same code, with --fresh",
    "numerics": "run both again with the same settings of Keras, JAX and XLA, with --fresh",
    "missing": "run again with --fresh",
    "seeds": "run both with the same --seeds, or leave --paired out",
}


def check_same_photos(a: Result, b: Result) -> None:
    """Refuse two experiments that were not scored on the same test photos.

    The fingerprint is of the pixels, so it is compared where the image size is the same; across sizes the data set,
    its counts and the recorded labels have to agree.

    Raises:
        UserError: If they were not.
    """
    keys = ["name", "classes", "train", "validation", "test"]
    if a.settings.get("image_size") == b.settings.get("image_size"):
        keys.append("fingerprint")
    different = [key for key in keys if a.data.get(key) != b.data.get(key)]
    if not different and not _same_labels(a, b):
        different = ["labels of the predictions"]
    if different:
        raise UserError(
            f"{a.name} and {b.name} were not run on the same photos: {', '.join(different)} differ; run both alike"
        )


def why_not_paired(a: Result, b: Result) -> dict[str, str]:
    """Return what keeps the seeds of two experiments from being pairs, in words by kind; empty if they are pairs."""
    seeds = sorted(a.runs.keys() & b.runs.keys())
    if not seeds:
        return {"seeds": "no seed in common"}
    found = {}
    for key, words in {**HASHES, **NUMERICS}.items():
        values = {seed: (a.runs[seed].get(key), b.runs[seed].get(key)) for seed in seeds}
        different = [seed for seed, (first, second) in values.items() if first and second and first != second]
        if different:
            found[key] = f"{words} ({name_seeds(different)})"
    missing = [
        f"{result.name} {name_seeds(lacking)}"
        for result in (a, b)
        if (lacking := [seed for seed in seeds if not all(result.runs[seed].get(key) for key in HASHES)])
    ]
    if missing:
        found["missing"] = f"cannot be shown to be paired, hashes are not recorded ({', '.join(missing)})"
    return found


def demand_paired(a: Result, b: Result) -> None:
    """Refuse two experiments whose seeds are not pairs: say which seeds, what differs and what to do.

    Raises:
        UserError: If they are not.
    """
    for result in (a, b):
        if not result.trained:
            raise UserError(f"{result.name} was not trained: it has no seeds to pair; leave --paired out")
    reasons = why_not_paired(a, b)
    if reasons:
        remedies = "; ".join(REMEDIES[kind] for kind in reasons)
        raise UserError(f"{a.name} and {b.name} are not paired: {'; '.join(reasons.values())}. To do: {remedies}")


def name_seeds(seeds: list[int]) -> str:
    """Return `seed 0` or `seeds 0, 1, 2`."""
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _same_labels(a: Result, b: Result) -> bool:
    first, second = (result.of_seed(min(result.runs)) for result in (a, b))
    return first is None or second is None or first["label"].equals(second["label"])
