"""The phases of an experiment: what trains, for how long, at which rate."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasqueeze.errors import UserError, unknown

if TYPE_CHECKING:
    from kerasqueeze.training.experiment import Experiment

FREE = {"none": "all", "backbone": "head", "all_but_last_stage": "last_stage"}
"""What is free in the one phase of an experiment, by its setting `freeze`."""
OF_EXPERIMENT = ("epochs", "learning_rate", "optimizer", "optimizer_options", "schedule", "warmup_steps")
"""Settings that a phase may have for itself; those of the experiment otherwise."""
_EXAMPLE = "'free=head epochs=2 learning_rate=1e-3; free=all epochs=3'"


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a training with an optimizer of its own.

    Attributes:
        free: What trains: "head", "last_stage" (with the head), "all", or the name of a stage, with all behind it.
        settings: The experiment's settings as they are in this phase.
        keep_state: Whether the optimizer goes on with its moments and its count of steps; weights that trained in the
            phase before have them. The schedule begins anew.
    """

    free: str
    settings: "Experiment"
    keep_state: bool = False

    @property
    def epochs(self) -> int:
        """The most epochs of the phase."""
        return self.settings.epochs


def of(experiment: "Experiment") -> tuple[Phase, ...]:
    """Return the phases of an experiment, at least one.

    Raises:
        UserError: They cannot be read, or are out of range.
    """
    plain = {"phases": "", "freeze": "none", "augment_views": 0}  # that is the experiment's
    if not experiment.phases.strip():
        settings = dataclasses.replace(experiment, **plain)
        return (Phase(free=FREE[experiment.freeze], settings=settings),)
    found = []
    for number, text in enumerate(experiment.phases.split(";")):
        given = _read(text)
        free, keep = given.pop("free", "all"), given.pop("keep_state", "false")
        if keep not in ("true", "false") or (keep == "true" and not number):
            raise UserError(f"keep_state={keep!r} in phase {number + 1}; expected true or false, true from phase 2 on")
        changes = {key: _value(key, value) for key, value in given.items()}
        settings = dataclasses.replace(experiment, **plain).override(**changes)
        if keep == "true" and (
            settings.optimizer != found[-1].settings.optimizer or settings.optimizer.startswith("optax:")
        ):
            raise UserError(
                f"keep_state in phase {number + 1} needs the optimizer of the phase before, and one of Keras'; "
                f"received {found[-1].settings.optimizer} before {settings.optimizer}"
            )
        if not settings.epochs:
            raise UserError(f"phase {number + 1} has epochs=0; expected at least 1")
        found.append(Phase(free=free, settings=settings, keep_state=keep == "true"))
    return tuple(found)


def total_epochs(text: str) -> int | None:
    """Return the sum of the epochs of the phases in `text`; None if a phase does not say."""
    counts = [_read(part).get("epochs") for part in text.split(";")]
    return None if None in counts else sum(_value("epochs", str(count)) for count in counts)


def told_by_every(text: str) -> set[str]:
    """Return the settings that each of the phases in `text` has for itself."""
    return set.intersection(*(set(_read(part)) for part in text.split(";"))) if text.strip() else set()


def _read(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in text.split():
        key, sign, value = word.partition("=")
        if not sign or not value or key in found:
            raise UserError(f"phases: {word!r} is no setting; expected key=value, each key once, such as {_EXAMPLE}")
        if key not in ("free", "keep_state", *OF_EXPERIMENT):
            raise unknown("setting of a phase", key, ("free", "keep_state", *OF_EXPERIMENT))
        found[key] = value
    if not found:
        raise UserError(f"phases: a phase is empty; expected phases such as {_EXAMPLE}")
    return found


def _value(key: str, text: str) -> Any:
    kind = {"epochs": int, "warmup_steps": int, "learning_rate": float}.get(key, str)
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"phases: {key}={text!r} is no number; expected phases such as {_EXAMPLE}") from None
