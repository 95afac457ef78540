"""An inspected network in words: a table of its layers, and what it tells of layers and optimizers."""

from typing import Any


def table(found: Any) -> str:
    """Return an inspection's layers in Markdown, those without parameters last, by kind.

    Args:
        found: Of `kerasqueeze.training.inspection.run`.
    """
    lines = [
        "| Layer | Kind | Parameters | Trains | First step: change / norm of weights "
        f"| Step {found.steps}: change of single weights / rate, 10 %, median, 90 % |",
        "|---|---|---|---|---|---|",
    ]
    for layer in found.layers:
        if not (layer.parameters or layer.statistics):
            continue
        counted = f" + {layer.statistics:,} statistics" if layer.statistics else ""
        moved = "-" if layer.moved is None else f"{layer.moved:.2g}"
        spread = "-" if layer.spread is None else ", ".join(f"{value:.2g}" for value in layer.spread)
        trains = "yes" if layer.trains else "no"
        lines.append(f"| {layer.name} | {layer.kind} | {layer.parameters:,}{counted} | {trains} | {moved} | {spread} |")
    without: dict[tuple[str, str], list[str]] = {}
    for layer in found.layers:
        if not (layer.parameters or layer.statistics):
            without.setdefault((layer.kind, layer.why), []).append(layer.name)
    lines += ["", "Without parameters:", ""]
    lines += [f"- {kind} ({', '.join(names)}): {why}" for (kind, why), names in without.items()]
    if found.activations:
        told = ", ".join(f"{name} within {count} layers" for name, count in found.activations.items())
        lines.append(f"- {told}: fixed functions; they have nothing to learn")
    return "\n".join(lines)


def answers(found: Any, ends: tuple[float, float]) -> str:
    """Return what the inspection tells of layers and of its optimizer, with its figures.

    Args:
        found: Of `kerasqueeze.training.inspection.run`.
        ends: Where Adam and SGD end in the small example, of `inspection.against_sgd`.
    """
    parameters = sum(layer.parameters for layer in found.layers)
    trained = sum(layer.parameters for layer in found.layers if layer.trains)
    kinds = dict.fromkeys(layer.kind for layer in found.layers if not (layer.parameters or layer.statistics))
    lines = [
        f"- Of {parameters:,} parameters {trained:,} train. There is nothing to learn in {', '.join(kinds)}.",
    ]
    statistics = sum(layer.statistics for layer in found.layers)
    if statistics:
        lines.append(f"- {statistics:,} numbers are statistics of batch normalisation: counted, not learnt.")
    spreads = [layer.spread for layer in found.layers if layer.trains and layer.spread]
    if spreads:
        least, most = min(spread[0] for spread in spreads), max(spread[2] for spread in spreads)
        lines.append(
            f"- {found.optimizer}'s step is another for each weight: in step {found.steps} from {least:.2g} to "
            f"{most:.2g} times the rate (10th and 90th percentiles of the layers). All of it is proportional to the "
            "rate, which has to be chosen."
        )
    kept = " and ".join(found.kept) or "nothing"
    lines.append(
        f"- For each number that trains, the optimizer keeps {found.memory:.3g} more ({kept}); it does not keep the "
        "gradients."
    )
    lines.append(
        f"- Adam does not always beat SGD: in an example of one number, whose best place is -1, Adam ends at "
        f"{ends[0]:+.2f} and SGD at {ends[1]:+.2f} (Reddi, Kale & Kumar 2018, theorem 1)."
    )
    return "\n".join(lines)
