"""The picture of several update rules side by side."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt
from kerasqueeze.study.figures.sweep_curves import ARMS
from kerasqueeze.study.results import Result
from kerasqueeze.study.summary import OPTIMIZER_NAMES

PANELS = (
    ("loss_train", "training loss (nats)"),
    ("loss_val", "validation loss (nats)"),
    ("accuracy_val", "validation accuracy"),
)


def path(out: Path, study: str) -> Path:
    """Return where the picture of a study's optimizers lies below `out`."""
    return Path(out) / "PNG" / f"{study}.png"


def draw(results: Sequence[Result], target: Path) -> None:
    """Draw losses and accuracy of each rule, the mean over its seeds, with the range of the seeds as a band."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(14, 4.6), layout="constrained")
    for place, result in enumerate(results):
        style = ARMS[place % len(ARMS)]
        rule = result.settings["optimizer"]
        name = f"{OPTIMIZER_NAMES.get(rule, rule)}, rate {result.settings['learning_rate']:g}"
        for (column, _), panel in zip(PANELS, axes, strict=True):
            epochs = result.rows.groupby("epoch")[column]
            mean = epochs.mean()
            panel.plot(mean.index, mean.to_numpy(), label=name, markersize=5, **style)
            panel.fill_between(mean.index, epochs.min(), epochs.max(), color=style["color"], alpha=0.12, linewidth=0)
    for (_, title), panel in zip(PANELS, axes, strict=True):
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    first = results[0]
    count = len(first.runs)
    figure.suptitle(
        f"{first.data['name']}, {first.settings['model']}, {count} seed{'s' * (count > 1)} each; bands: all seeds"
    )
    drawing.save(figure, target)
