"""Which experiments answer which question: the pairs that a report compares."""

from dataclasses import dataclass

from kerasqueeze.study.results import Result
from kerasqueeze.study.summary import find_control
from kerasqueeze.study.verdicts import different_settings

OF_THE_OPTIMIZER = {"optimizer", "amsgrad_form", "learning_rate", "warmup_steps"}
"""Settings that belong to an optimizer: two arms that differ in nothing else ask about the optimizer."""


@dataclass(frozen=True)
class Question:
    """One comparison.

    Attributes:
        kind: `"optimizer"`, `"pretraining"` or `"control"`.
        a: The first experiment.
        b: The second; the control where one of both is.
    """

    kind: str
    a: Result
    b: Result


def ask(results: list[Result]) -> list[Question]:
    """Return every comparison that the experiments allow.

    Optimizer: two trained arms that differ in the optimizer and in nothing that does not belong to it. Pretraining: a
    pretrained arm against a random one of the same model and optimizer; what else differs, image size included, is said
    beside the verdict. Control: each pretrained arm
    against the network that was only scored.
    """
    trained = [result for result in results if result.trained]
    pairs = [(a, b) for i, a in enumerate(trained) for b in trained[i + 1 :]]
    found = [Question("optimizer", a, b) for a, b in pairs if _of_the_optimizer(a, b)]
    for a in trained:
        found += [
            Question("pretraining", a, b)
            for b in trained
            if a.pretrained and not b.pretrained and _alike(a, b, "model", "optimizer")
        ]
    for a in trained:
        control = find_control(a, results)
        if a.pretrained and control is not None:
            found.append(Question("control", a, control))
    return found


def _of_the_optimizer(a: Result, b: Result) -> bool:
    different = set(different_settings(a, b))
    return bool(different & {"optimizer", "amsgrad_form"}) and different <= OF_THE_OPTIMIZER


def _alike(a: Result, b: Result, *keys: str) -> bool:
    return all(a.settings.get(key) == b.settings.get(key) for key in keys)
