"""Choices of planners: names with their settings and models, as a command line and a file have them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from graspnet.errors import InputError, unknown_name
from graspnet.policies.policy import Policy
from graspnet.policies.registry import make_policy, policy_class, policy_names
from graspnet.quality import NetworkQuality
from graspnet.sim_eval.planners.ceilings import CEILINGS
from graspnet.sim_eval.planners.command import CommandPlanner
from graspnet.sim_eval.planners.planner import Planner
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner

__all__ = ["PlannerChoice", "check_planners", "identified", "make_planner", "planner_of", "planning_policy"]


@dataclass(frozen=True)
class PlannerChoice:
    """Who plans: a policy by name with the preset or file of its settings and the model that it ranks by, a ceiling by
    name, or an outside command."""

    name: str
    config: str | None = None
    model: str | None = None
    command: str | None = None
    timeout: float = 60.0  # seconds that an outside command may take
    weights: str | None = None  # SHA-256 of the weights that `model` must hold; None: whichever it holds

    @staticmethod
    def of(text: str, model: str | None = None) -> "PlannerChoice":
        """A policy or ceiling as a command line has it: NAME, or NAME=CONFIG with a preset or file of its settings.

        InputError: a ceiling with settings, or nothing after the equals sign.
        """
        name, equals, config = text.partition("=")
        if equals and not config:
            raise InputError(f"--policy {text}: expected a preset or a file of settings after the equals sign")
        if equals and name in CEILINGS:
            raise InputError(f"--policy {text}: a ceiling has no settings; --policy {name}")
        return PlannerChoice(name, config or None, model)

    @property
    def label(self) -> str:
        """Results know the planner by this name."""
        return self.name if self.config is None else f"{self.name} ({self.config})"

    @property
    def ranks(self) -> bool:
        """True for a policy that ranks grasps by a model. InputError: no such policy."""
        return self.command is None and self.name not in CEILINGS and planning_policy(self.name).needs_quality


def make_planner(choice: PlannerChoice, quality: Callable[[str], NetworkQuality]) -> Planner:
    """Make the chosen planner; `quality` loads a model by name. InputError: an unknown name, setting or model."""
    if choice.command is not None:
        return CommandPlanner(choice.command, choice.timeout)
    if choice.name in CEILINGS:
        return CEILINGS[choice.name]()
    if not choice.ranks:
        return PolicyPlanner(make_policy(choice.name, choice.config))
    if choice.model is None:
        raise InputError(f"policy {choice.name!r} ranks grasps by a quality and got none: give it a model (--model)")
    return PolicyPlanner(make_policy(choice.name, choice.config, quality=quality(choice.model)))


def planning_policy(name: str) -> type[Policy]:
    """Find the Policy class with that name. InputError: there is none; the ceilings, which are none, are named too."""
    if name not in policy_names():
        raise unknown_name("policy", name, [*policy_names(), *CEILINGS])
    return policy_class(name)


def identified(choice: PlannerChoice) -> PlannerChoice:
    """Add the SHA-256 of the weights that the model holds now; drop the model where the planner uses none.

    InputError: no such policy or model.
    """
    if not choice.ranks:
        return replace(choice, model=None, weights=None)
    if choice.model is None:
        return choice
    from graspnet.models.checkpoint import weights_checksum

    return replace(choice, weights=weights_checksum(choice.model))


def check_planners(choices: Sequence[PlannerChoice]) -> None:
    """Refuse no choice at all, one that comes twice, and an unknown policy, model, setting or program (InputError)."""
    labels = [choice.label for choice in choices]
    if not choices or len(set(labels)) < len(labels):
        raise InputError(f"policies are {', '.join(labels) or 'none'}; expected one or more, each once")
    for choice in choices:
        planner_of(choice)


@lru_cache(maxsize=32)
def planner_of(choice: PlannerChoice) -> Planner:
    """Make the chosen planner once in each process, so that a network is loaded once.

    InputError: as make_planner, or the model holds other weights than the choice names.
    """
    if choice.weights is not None and identified(choice).weights != choice.weights:
        raise InputError(
            f"model {choice.model!r}: holds other weights than the run was begun with (SHA-256 {choice.weights[:16]}…);"
            " put those back, or choose another --output"
        )
    return make_planner(choice, partial(_quality, choice.weights))


@lru_cache(maxsize=4)
def _quality(weights: str | None, model: str) -> NetworkQuality:
    from graspnet.models.checkpoint import load_checkpoint

    return NetworkQuality(load_checkpoint(model))
