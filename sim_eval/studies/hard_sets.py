"""Test sets that separate policies.

    python -m graspnet.sim_eval.studies.hard_sets build --set hard --size 250 --output sim_eval/sets/frozen

Procedural object-poses, shaped for a 5 cm hand, from a stream of their own: no dataset and no other protocol holds
them. No learned policy has a say in what is kept.

- `hard`: the ceiling lifts it with 3 distinct grasps, and two heuristics fail. It flatters whoever is compared with
  these heuristics. The set that ships was frozen when the ceiling ranked by `robust_pad_closure`; by today's label, 4
  of the 37 candidates at which the ceiling failed would be kept as well.
- `hard_shape`: chosen by shape alone, before anybody has tried to lift it: the places for a hand are few and narrow,
  since sides slant, the object is nearly as wide as the opening, or low, or walls stand around. Some of it nobody can.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from jaxtyping import Float64, Int64

from graspnet.data_gen.candidates.antipodal import AntipodalConfig, sample_antipodal
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.objects.object_source import ObjectConfig, posed_at_random
from graspnet.data_gen.objects.procedural import FAMILIES, make_solid
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.policies.registry import make_policy
from graspnet.run.engines import Engine
from graspnet.run.options import run_options
from graspnet.run.progress import track
from graspnet.run.record import git_state
from graspnet.sim_eval.episodes.draw import looked_at
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.run import run_episode
from graspnet.sim_eval.episodes.single import single_of
from graspnet.sim_eval.planners.ceilings import LABEL, Oracle
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import SingleConfig
from graspnet.sim_eval.sets.object_sets import KEPT, NO_START, ObjectPose, SetRecord, read_object_set, save_object_set

__all__ = ["RULES", "Rule", "build", "candidate", "distinct"]

HARD = 5  # stream of the candidates: default_rng([seed, number, HARD])
HEURISTICS = ("principal_axis", "central_antipodal")
RUNS_EACH = 2  # each heuristic tries so often, each time with a camera, a friction and noise of its own
MIN_LIFTS, MAX_TRIES = 3, 8  # the ceiling must lift it with so many distinct grasps of those that it may try
MIN_SEPARATION, MIN_ANGLE = 0.01, np.deg2rad(20)  # grasps are distinct by one of them (metres, radians)
# `hard_shape` samples so many grasps of an object; less than that share of them may have so many metres of clearance.
SAMPLES, MAX_FREE_SHARE, MIN_CLEARANCE = 200, 0.05, 0.0025
FRICTION = 0.4  # the cones of those grasps have it: one deviation below what trials draw
CONDITIONS, TASK = ProtocolConfig(), SingleConfig()  # hand, sensor and distributions under which `hard` was tried
SIZES = ObjectConfig(graspable_width=(0.3, 1.0))  # in openings: the narrowest side fits between the jaws


@dataclass(frozen=True)
class Rule:
    """How a set is chosen. verdict: a letter of `meaning` for an object-pose and (seed, number); batch: how many
    candidates are looked at between two writes."""

    text: str
    meaning: dict[str, str]
    verdict: Callable[[ObjectPose, int, int], str]
    batch: int


def candidate(seed: int, number: int) -> ObjectPose:
    """Make candidate number `number` of a seed: a shape of the families in turn, a stable pose, a size for the hand."""
    rng = np.random.default_rng([seed, number, HARD])
    family = list(FAMILIES)[number % len(FAMILIES)]
    solid = make_solid(family, rng, f"{family}_{number:05d}")
    scale, scaled_pose = posed_at_random(solid, 0.01, SIZES, load_parallel_jaw(CONDITIONS.gripper), rng)
    return ObjectPose(solid.scaled(scale), scaled_pose)


def distinct(grasps: Grasps, most: int) -> Int64[np.ndarray, "K"]:
    """Choose at most `most` grasps: the first, the next one that is distinct from it, and so on; returns their indices.

    Distinct grasps are more than MIN_SEPARATION or MIN_ANGLE apart. Half a turn about the approach makes no other hand.
    """
    chosen: list[int] = []
    for i in range(len(grasps)):
        near = np.linalg.norm(grasps.origin[chosen] - grasps.origin[i], axis=1) <= MIN_SEPARATION
        if not np.any(near & (_angle(grasps.poses[chosen, :3, :3], grasps.poses[i, :3, :3]) <= MIN_ANGLE)):
            chosen.append(i)
        if len(chosen) == most:
            break
    return np.array(chosen, dtype=np.int64)


def build(rule: str, seed: int, size: int, most: int, path: Path, engine: Engine) -> SetRecord:
    """Look at candidates in their order until `size` are kept or `most` were looked at, and write the set.

    A set that is at `path` already is continued. The files are written after every batch; the first `size` that are
    kept make the set, whatever came back first. InputError: the set at `path` has another rule (the ceiling's label is
    part of it), seed or opening.
    """
    record, objects = _begun(rule, seed, path)
    while len(record.verdicts) < most and len(objects) < size:
        numbers = range(len(record.verdicts), min(len(record.verdicts) + RULES[rule].batch, most))
        found = dict(track(engine.run(partial(_judged, rule, seed), numbers), len(numbers), rule, "candidates"))
        for number in numbers:
            if len(objects) == size:
                break
            record = replace(record, verdicts=record.verdicts + found[number])
            if record.meaning[found[number]] == KEPT:
                objects.append(candidate(seed, number))
        record = save_object_set(record, objects, path)
    return record


def _begun(rule: str, seed: int, path: Path) -> tuple[SetRecord, list[ObjectPose]]:
    made_with = {name: version(name) for name in ("numpy", "manifold3d", "mujoco")}
    made_with |= {"machine": platform.machine(), "commit": git_state().get("commit") or "unknown"}
    opening = load_parallel_jaw(CONDITIONS.gripper).max_width
    fresh = SetRecord(
        rule=RULES[rule].text, seed=seed, opening=opening, meaning=RULES[rule].meaning, made_with=made_with
    )
    if not path.is_file():
        return fresh, []
    found = read_object_set(path)
    for name in ("rule", "meaning", "seed", "opening"):
        was, is_now = getattr(found.record, name), getattr(fresh, name)
        if was != is_now:
            raise InputError(f"{path}: was begun with another {name}, {was!r}, not {is_now!r}; choose another --output")
    return found.record, [found.object_pose(i) for i in range(len(found))]


def _judged(rule: str, seed: int, number: int) -> tuple[int, str]:
    return number, RULES[rule].verdict(candidate(seed, number), seed, number)


def _by_outcome(one: ObjectPose, seed: int, number: int) -> str:
    try:
        trials = [_trial(one, seed, RUNS_EACH * number + run) for run in range(RUNS_EACH)]
    except InputError:
        return "x"
    for name in HEURISTICS:
        if all(run_episode(trial, _heuristic(name), _renderer()).cleared for trial in trials):
            return "e"
    return "k" if _ceiling_lifts(trials[0]) else "c"


def _trial(one: ObjectPose, seed: int, run: int) -> Episode:
    rng = np.random.default_rng([seed, run])
    return looked_at(single_of(CONDITIONS, TASK, one.solid, one.world_from_object, seed, run, rng), _renderer())


def _ceiling_lifts(trial: Episode) -> bool:
    """Try the best MAX_TRIES distinct grasps that the true mesh offers: do MIN_LIFTS of them lift it?"""
    assert trial.situation is not None, "the object is in view"
    grasps = Oracle().plan(trial.situation).grasps_in_camera
    lifted = 0
    for i in distinct(grasps, MAX_TRIES):
        lifted += trial.execute(grasps[int(i) : int(i) + 1]).success
        if lifted == MIN_LIFTS:
            return True
    return False


def _by_shape(one: ObjectPose, seed: int, number: int) -> str:
    rng, gripper = np.random.default_rng([seed, number, HARD, 1]), load_parallel_jaw(CONDITIONS.gripper)
    grasps = sample_antipodal(
        one.solid, one.world_from_object, gripper, SAMPLES, AntipodalConfig(friction=FRICTION), rng
    )
    scene = Scene((one.solid,), one.world_from_object[None])
    free = np.sum(clearance(scene, 0, grasps, gripper).smallest > MIN_CLEARANCE)
    return "n" if free == 0 else "k" if free < MAX_FREE_SHARE * SAMPLES else "w"


RULES: dict[str, Rule] = {
    "hard": Rule(
        f"the ceiling, by {LABEL}, lifts it with {MIN_LIFTS} of its best {MAX_TRIES} distinct grasps, and each of"
        f" {' and '.join(HEURISTICS)} fails at least 1 of {RUNS_EACH} runs",
        {
            "x": NO_START,
            "e": "a heuristic lifted it in every run",
            "c": "heuristics failed, but so did the ceiling",
            "k": KEPT,
        },
        _by_outcome,
        100,
    ),
    "hard_shape": Rule(
        f"of {SAMPLES} pairs of surface points that face each other within a friction of {FRICTION}, for a hand from"
        f" above (fewer, where there are not so many), some but fewer than {MAX_FREE_SHARE:.0%} leave it"
        f" {1000 * MIN_CLEARANCE} mm to everything",
        {"n": "no such pair", "w": "as many or more", "k": KEPT},
        _by_shape,
        1000,
    ),
}


def _angle(rotations: Float64[np.ndarray, "K 3 3"], other: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "K"]:
    """Measure the angle between hands whose jaws are alike: the smaller one of both ways to hold."""
    turned = other @ np.diag([-1.0, -1.0, 1.0])
    traces = [np.einsum("kij,ij->k", rotations, one) for one in (other, turned)]
    return np.asarray(np.arccos(np.clip((np.maximum(*traces) - 1) / 2, -1.0, 1.0)))


@lru_cache(maxsize=1)
def _renderer() -> RaycastRenderer:
    """Keep one in each process."""
    return RaycastRenderer()


@lru_cache(maxsize=4)
def _heuristic(name: str) -> PolicyPlanner:
    return PolicyPlanner(make_policy(name))


@click.group()
def main() -> None:
    """Frozen test sets of object-poses."""


@main.command("build")
@click.option("--set", "rule", type=click.Choice(sorted(RULES)), required=True)
@click.option("--size", default=250, show_default=True, help="Stop when so many are kept.")
@click.option("--most", default=10_000, show_default=True, help="Stop when so many candidates were looked at.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder of SET.json and SET.npz.")
@run_options
def build_command(rule: str, size: int, most: int, output: Path, engine: Engine, seed: int) -> None:
    """Choose a set; one that is there already is continued."""
    record = build(rule, seed, size, most, output / f"{rule}.json", engine)
    click.echo(f"{len(record.verdicts)} candidates: " + ", ".join(f"{n} {text}" for text, n in record.counts.items()))


if __name__ == "__main__":
    main()
