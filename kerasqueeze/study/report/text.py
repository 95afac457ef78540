"""The fixed words of the report: what is computed, how intervals are made, and which photos were seen before."""

import re
from typing import Any

from kerasqueeze.study.labels import SEEN_IN_IMAGENET, is_seen
from kerasqueeze.study.results import Result

INTERVALS = """\
Brackets are 95 % intervals. Over several seeds they are Student's t over seeds: how much the figure would move with
other initial weights and another order of the photos. For a single network they are over the test photos: Wilson's
interval for accuracy and top-5, a bootstrap of the photos for macro precision and recall; they say nothing of other
seeds. Where two arms are paired (same seed, same initial weights, same first batch, same code) the interval is
Student's t of the paired differences; a bootstrap of three seeds would claim 95 % and cover far less. Where they are
not paired it is Welch's t. The control has no seeds: the arm's seeds are held against its one number. McNemar's test,
exact, asks beside that whether two networks differ by more than the choice of the test photos explains; where an arm
has one seed, so that there is no interval over seeds, it decides between the networks that there are, not between the
recipes. Equivalent means that the accuracies are shown to differ by less than {margin}, a margin stated before the
results are seen: two one-sided t-tests at 5 %, which succeed where the 90 % interval lies within it. Nothing is
corrected for the number of comparisons."""

THEORY = """\
**A Fire block** ([SqueezeNet, section 3.1](https://arxiv.org/abs/1602.07360)) first squeezes its input with *s*
1×1 convolutions, then expands the result with *e*₁ 1×1 and *e*₃ 3×3 convolutions side by side, each followed by a
ReLU, and puts both outputs behind one another: *s* channels in the middle, *e*₁ + *e*₃ at the end. For *c* input
channels it has *cs* + *s* + *se*₁ + *e*₁ + 9*se*₃ + *e*₃ parameters; the 3×3 convolutions, nine times as dear, see only
the few squeezed channels. The 3×3 expansion is padded with zeros, so height and width stay.

**Adam** ([Kingma & Ba](https://arxiv.org/abs/1412.6980)) keeps running means of each weight's gradient *g* and of its
square. At step *t*, with β₁ = 0.9, β₂ = 0.999 and learning rate *lr*:

```text
m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
c₁ = 1 − β₁ᵗ                 c₂ = 1 − β₂ᵗ
w ← w − lr · (√c₂ / c₁) · m / (√v + ε)
```

As Keras writes it, ε = 1e-7 stands outside the correction √c₂, so it is not the paper's ε.

**AMSGrad** ([Reddi, Kale & Kumar](https://openreview.net/forum?id=ryQu7f-RZ)) divides by the largest second moment so
far, so that the denominator never shrinks:

```text
V ← max(V, v)
w ← w − lr · (√c₂ / c₁) · m / (√V + ε)
```

The maximum is over the raw *v*, before the correction; the paper has no correction at all. While gradients keep their
size *v* grows towards its mean and the maximum is nearly *v*: AMSGrad is then nearly Adam. Once gradients have fallen
*V* stays behind at the old size, and the step is smaller than Adam's. Part of any difference between the two is
therefore a smaller effective learning rate."""

_HARMLESS = {"&": "&amp;", "<": "&lt;"}
_MARKS = re.compile(r"[&<\\|*`\[\]$~]|(?<![^\W_])_|_(?![^\W_])")  # a _ inside a word is a letter
_NUMBER = re.compile(r"[+−-]?[\d.,]*(e[+-]\d+)?( \[.*)?$")

FORMS = {
    "corrected": "`amsgrad_form=corrected`: V ← max(V, v/c₂), step lr · (m/c₁) / (√V + ε), as in optax.",
    "paper": "`amsgrad_form=paper`: V ← max(V, v), step lr · m/√V, without corrections, as in the paper.",
}
"""Other forms of AMSGrad, described where an arm uses one."""


def seen(results: list[Result]) -> str:
    """Return the line that stands beside every figure of a network with ImageNet weights; empty where there is none."""
    found = [result for result in results if is_seen(result)]
    if not found:
        return ""
    return (
        f"> † {SEEN_IN_IMAGENET[found[0].data['name']]} is part of ImageNet's training set: a network that begins with "
        "ImageNet's weights, the control included, has seen these photos before, the test half too."
    )


def theory(results: list[Result]) -> str:
    """Return what the blocks and optimizers compute, with the other forms of AMSGrad that occur."""
    forms = {result.settings.get("amsgrad_form", "keras") for result in results}
    return "\n\n".join([THEORY, *(text for form, text in FORMS.items() if form in forms)])


def table(headers: list[str], rows: list[list[Any]]) -> str:
    """Return a Markdown table; columns of numbers are set to the right.

    Args:
        headers: One a column.
        rows: Cells; what Markdown or HTML would read as its own is escaped.
    """
    cells = [[cell(value) for value in row] for row in rows]
    rule = ["---:" if all(map(_NUMBER.match, column)) else "---" for column in zip(*cells, strict=True)]
    lines = [[cell(header) for header in headers], rule, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """Return a value as it may stand in a table: on one line, with nothing that Markdown or HTML would act on."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    text = " ".join(str(value).split())
    return _MARKS.sub(lambda mark: _HARMLESS.get(mark[0], f"\\{mark[0]}"), text)
