"""The registry of policies: ours, and those of installed packages, by name."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from graspnet.config import load_config
from graspnet.errors import InputError, unknown_name
from graspnet.policies.policy import Policy
from graspnet.quality import Quality

__all__ = ["POLICIES", "make_policy", "policy_class", "policy_names"]

# Where each policy lives: its module is imported only when it is asked for. Entry points `graspnet.policies` add more.
POLICIES: dict[str, str] = {
    "antipodal": "graspnet.policies.ranking:RandomAntipodalPolicy",
    "ranking": "graspnet.policies.ranking:RankingPolicy",
    "cross_entropy": "graspnet.policies.cross_entropy.cross_entropy:CrossEntropyPolicy",
    "dense": "graspnet.policies.dense.dense:DensePolicy",
    "principal_axis": "graspnet.policies.heuristics:PrincipalAxisPolicy",
    "central_antipodal": "graspnet.policies.heuristics:CentralAntipodalPolicy",
}


def policy_class(name: str) -> type[Policy]:
    """The Policy class of that name: ours, or an installed package's (entry-point group `graspnet.policies`)."""
    entries = _entries()
    if name not in entries:
        raise unknown_name("policy", name, entries)
    loaded: type[Policy] = entries[name].load()
    return loaded


def policy_names() -> list[str]:
    """The names that `policy_class` knows."""
    return sorted(_entries())


def _entries() -> dict[str, EntryPoint]:
    group = "graspnet.policies"
    entries = {entry.name: entry for entry in entry_points(group=group)}
    return entries | {key: EntryPoint(key, value, group) for key, value in POLICIES.items()}


def make_policy(
    name: str,
    config: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    quality: Quality | None = None,
) -> Policy:
    """The policy of that name, configured by a preset of `configs/policy/` or a file (default: the preset `name`).

    InputError: unknown policy, preset or key; no quality where the policy needs one.
    """
    policy = policy_class(name)
    if policy.needs_quality and quality is None:
        raise InputError(f"policy {name!r} ranks grasps by a quality and got none: give it a model")
    return policy(load_config(policy.config_type, "policy", name if config is None else config, overrides), quality)
