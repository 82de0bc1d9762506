"""Does the judge's verdict hang on its own settings? `python -m sim_eval.fidelity verdicts step --objects 100`

And does it judge the objects that are rendered? `python -m sim_eval.fidelity geometry --objects DIR`

The same grasps, on the same objects at rest, are executed under each variant of a study, and the shares of lifted ones
are compared as pairs. Grasps are drawn as in generation, most of them near the edge between lifting and not, where a
verdict would change first.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import click
import numpy as np
from jaxtyping import Bool

from data_gen.candidates import CandidateConfig, sample_candidates
from data_gen.engines import LocalEngine
from data_gen.objects import ObjectConfig, load_object, object_names, posed_for_hand
from data_gen.physics.decomposition import Fit, convex_parts, fit_of
from data_gen.physics.picking import PickConfig, PickWorld, SolverConfig
from data_gen.stable_poses import stable_poses
from graspnet.errors import InputError
from graspnet.gripper import load_gripper
from graspnet.progress import track
from sim_eval.statistics import paired_difference

__all__ = ["SECOND_JUDGE", "STUDIES", "ObjectFit", "Share", "Variant", "geometry", "verdicts"]


@dataclass(frozen=True)
class Variant:
    """The judge under other settings."""

    name: str
    pick: PickConfig


def _solver(name: str, **changes: Any) -> Variant:
    return Variant(name, PickConfig(solver=replace(SolverConfig(), **changes)))


BASE = Variant("as published", PickConfig())
# another solver, pyramids for friction cones, softer contacts, smaller steps: what it shares with the first is the hand
SECOND_JUDGE = PickConfig(
    solver=SolverConfig(
        time_step=0.001, contact_time=0.01, impedance=0.99, friction_to_normal_impedance=3.0, cone="pyramidal",
        algorithm="cg",
    )
)  # fmt: skip
STUDIES: dict[str, tuple[Variant, ...]] = {
    "step": (BASE, _solver("half the time step", time_step=0.001), _solver("a quarter of it", time_step=0.0005)),
    "contacts": (
        BASE,
        _solver("contacts twice as slow", contact_time=0.008),
        _solver("impratio 3", friction_to_normal_impedance=3.0),
        _solver("impratio 30", friction_to_normal_impedance=30.0),
        _solver("five noslip iterations", noslip_iterations=5),
    ),
    "judge": (BASE, Variant("the second judge", SECOND_JUDGE)),
}


@dataclass(frozen=True)
class ObjectFit:
    """One object's collision pieces; `problem` says why it has none."""

    name: str
    pieces: int = 0
    fit: Fit | None = None
    problem: str = ""


@dataclass(frozen=True)
class Share:
    """One object's share of a study; every draw comes from (seed, index)."""

    study: str
    index: int
    seed: int
    grasps: int
    gripper: str = "yumi"
    objects: ObjectConfig = field(default_factory=lambda: ObjectConfig(count=10_000))


def verdicts(share: Share) -> Bool[np.ndarray, "N V"]:
    """Whether each of N grasps of one object was lifted, under each of V variants."""
    rng = np.random.default_rng([share.seed, share.index])
    hand = load_gripper(share.gripper)
    shape = load_object(share.objects, object_names(share.objects)[share.index], rng)
    poses = stable_poses(shape)
    pose = poses.world_from_object[poses.draw(1, rng)[0]]
    scale, world_from_object = posed_for_hand(shape, pose, share.objects, hand, rng)
    solid = shape.scaled(scale)
    mixture = CandidateConfig(antipodal=0.6, near_miss=0.4, action_space=0.0)
    grasps, _ = sample_candidates(solid, world_from_object, hand, share.grasps, mixture, rng)
    density, friction = rng.uniform(200, 1200), float(np.clip(rng.normal(0.5, 0.1), 0.2, 1.0))
    worlds = [PickWorld(solid, hand, variant.pick, density, friction) for variant in STUDIES[share.study]]
    at_rest = worlds[0].settle(world_from_object)
    return np.array([[world.pick(at_rest, grasps[i : i + 1]).success for world in worlds] for i in range(len(grasps))])


def geometry(config: ObjectConfig, name: str) -> ObjectFit:
    """How far one object's collision pieces are from its surface."""
    try:
        solid = load_object(config, name, np.random.default_rng(0))
        parts = convex_parts(solid)
    except InputError as error:
        return ObjectFit(name, problem=str(error))
    return ObjectFit(name, len(parts), fit_of(solid, parts))


@click.group()
def main() -> None:
    """Studies of the judge."""


@main.command("verdicts")
@click.argument("study", type=click.Choice(sorted(STUDIES)))
@click.option("--objects", default=100, show_default=True)
@click.option("--grasps", default=24, show_default=True, help="Of each object.")
@click.option("--workers", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
def print_verdicts(study: str, objects: int, grasps: int, workers: int, seed: int) -> None:
    """Print how often each variant lifts, and the paired difference from the first."""
    shares = [Share(study, index, seed, grasps) for index in range(objects)]
    lifted = np.concatenate(list(track(LocalEngine(workers).run(verdicts, shares), objects, study, "objects")))
    for i, variant in enumerate(STUDIES[study]):
        pair = paired_difference(lifted[:, i], lifted[:, 0])
        click.echo(
            f"{variant.name:24s} {lifted[:, i].mean():6.1%} of {len(lifted)} lifted; difference"
            f" {100 * pair.difference:+.2f} points [{100 * pair.low:+.2f}, {100 * pair.high:+.2f}],"
            f" {pair.only_first + pair.only_second} verdicts differ"
        )


@main.command("geometry")
@click.option("--objects", "folder", type=click.Path(exists=True), metavar="DIR", help="Meshes; else procedural ones.")
@click.option("--count", default=112, show_default=True, help="Of procedural objects.")
@click.option("--unit", default=1.0, show_default=True, help="Metres per unit of a mesh file.")
@click.option("--workers", default=2, show_default=True)
def print_geometry(folder: str | None, count: int, unit: float, workers: int) -> None:
    """Print, for every object, volume error, Hausdorff distance, and the share of the surface over 1 mm off."""
    config = ObjectConfig(folders=(folder,), unit=unit) if folder else ObjectConfig(count=count)
    names = object_names(config)
    found = track(LocalEngine(workers).run(partial(geometry, config), names), len(names), "geometry", "objects")
    click.echo("object,pieces,volume_error,hausdorff_mm,share_over_1_mm_off,problem")
    fits = []
    for one in sorted(found, key=lambda one: one.name):
        fit = one.fit
        values = "," if fit is None else f"{fit.volume_error:.4f},{1000 * fit.hausdorff:.3f},{fit.far_share:.4f}"
        click.echo(f"{one.name},{one.pieces},{values},{one.problem}")
        fits += [] if fit is None else [fit.far_share]
    click.echo(
        f"{len(fits)} of {len(names)} objects; share over 1 mm off: median {np.median(fits):.2%}, largest"
        f" {np.max(fits):.2%}, above 5 % in {np.sum(np.array(fits) > 0.05)}",
        err=True,
    )


if __name__ == "__main__":
    main()
