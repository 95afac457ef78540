"""The parts of the report that say what the figures cost and where they come from."""

from typing import Any

from kerasqueeze.study.labels import label
from kerasqueeze.study.report.text import table
from kerasqueeze.study.results import Result


def cost(results: list[Result]) -> str:
    """Return the ledger: seconds, images and hardware of each arm."""
    rows = []
    for result in results:
        runs, photos = list(result.runs.values()), result.data
        batch = result.settings.get("batch_size", 1)
        epochs = sum(run["epochs"] for run in runs)
        trained = photos["train"] // batch * batch * epochs
        scored = photos["validation"] * epochs + photos["test"] * len(runs)
        speed = result.rows["images_per_second"].median() if len(result.rows) else float("nan")
        hardware = sorted({_hardware(run) for run in runs})
        seconds = sum(run["seconds"] for run in runs)
        cells = [len(runs), epochs, f"{trained:,}", f"{scored:,}", f"{seconds:,.0f}", float(speed)]
        rows.append([label(result), *cells, "; ".join(hardware)])
    headers = ["experiment", "runs", "epochs", "images trained", "images scored", "seconds", "images/s in training"]
    total = sum(run["seconds"] for result in results for run in result.runs.values())
    body = table([*headers, "hardware"], rows)
    return f"## Cost\n\n{body}\n\nTogether {total / 3600:.1f} hours. The images/s are medians over epochs."


def provenance(results: list[Result]) -> str:
    """Return which code, versions and weights made the figures, and the commands."""
    rows = []
    for result in results:
        for seed, run in result.runs.items():
            revision = (run.get("git_revision") or "")[:12]
            rows.append([label(result), seed, run.get("code", ""), revision, run.get("finished", "")])
    versions = sorted({_versions(run) for r in results for run in r.runs.values() if run.get("versions")})
    numerics = sorted({_numerics(run) for r in results for run in r.runs.values() if run.get("numerics")})
    weights = sorted({f"{r.record['weights']['file']} {r.record['weights']['sha256']}" for r in results if _hash(r)})
    names = ",".join(result.name for result in results)
    parts = [
        "## Where the figures come from",
        "Every number is computed from `CSV/`; `CSV/<experiment>_predictions.csv` holds what each network made of each "
        "test photo. Written by `python scripts/report.py`, from:",
        f"```sh\npython scripts/run.py --exp {names}\n```",
        table(["experiment", "seed", "code", "commit", "finished"], rows),
        *(f"Versions: {line}." for line in versions),
        *(f"Numeric settings: {line}." for line in numerics),
        *(f"Initial weights: `{line}`." for line in weights),
    ]
    return "\n\n".join(parts)


def _hardware(run: dict[str, Any]) -> str:
    found = run.get("hardware") or {}
    return ", ".join(
        str(value) for value in (found.get("processor"), f"{found.get('cores')} cores", found.get("device")) if value
    )


def _versions(run: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in run["versions"].items())


def _numerics(run: dict[str, Any]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in run["numerics"].items())


def _hash(result: Result) -> Any:
    return (result.record.get("weights") or {}).get("sha256")
