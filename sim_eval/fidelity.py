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
import trimesh
from jaxtyping import Bool

from data_gen.candidates import CandidateConfig, sample_candidates
from data_gen.engines import LocalEngine
from data_gen.meshes import Solid, solid_from_mesh
from data_gen.objects import ObjectConfig, load_object, object_names, posed_at_random
from data_gen.physics.decomposition import Fit, convex_parts, fit_of
from data_gen.physics.picking import PickConfig, PickWorld, SolverConfig
from data_gen.physics.tugs import GRAVITY
from graspnet.errors import InputError
from graspnet.grasps import Grasps
from graspnet.gripper import load_gripper
from graspnet.progress import track
from graspnet.transforms import frame_from_axes, invert, rigid, transform_points
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
# another solver, friction treated otherwise, softer contacts, smaller steps: what it shares with the first is the hand
SECOND_JUDGE = PickConfig(
    solver=SolverConfig(time_step=0.001, contact_time=0.01, impedance=0.99, noslip_iterations=10, algorithm="cg")
)
CREEPING = SolverConfig(  # what a second judge must not be: a grip well within Coulomb's cone slides (`creep`)
    time_step=0.001, contact_time=0.01, impedance=0.99, friction_to_normal_impedance=3.0, cone="pyramidal",
    algorithm="cg",
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
    "judge": (
        BASE,
        Variant("the second judge", SECOND_JUDGE),
        Variant("a judge that creeps", PickConfig(solver=CREEPING)),
    ),
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
    scale, world_from_object = posed_at_random(shape, 0.01, share.objects, hand, rng)
    solid = shape.scaled(scale)
    mixture = CandidateConfig(antipodal=0.6, near_miss=0.4, action_space=0.0)
    grasps, _ = sample_candidates(solid, world_from_object, hand, share.grasps, mixture, rng)
    density, friction = rng.uniform(200, 1200), float(np.clip(rng.normal(0.5, 0.1), 0.2, 1.0))
    worlds = [PickWorld(solid, hand, variant.pick, density, friction) for variant in STUDIES[share.study]]
    at_rest = worlds[0].settle(world_from_object)
    return np.array([[world.pick(at_rest, grasps[i : i + 1]).success for world in worlds] for i in range(len(grasps))])


CREEP_SOLIDS = {  # 30 to 36 mm between the pads
    "box": trimesh.creation.box([0.04, 0.03, 0.04]),
    "cylinder": trimesh.creation.cylinder(0.015, 0.05),
    "ball": trimesh.creation.icosphere(3, 0.018),
}
CREEP_LOADS = (0.2, 0.5, 0.7)


def creep(solid: Solid, solver: SolverConfig, load: float, seconds: float = 2.0) -> float:
    """How fast (m/s) a YuMi's grip through the middle lets a solid slide while its hand stands still.

    load: weight as a share of what Coulomb's friction holds, 2 μ F. Below one, the exact answer is no motion at all; a
    lift at `single`'s speed needs a third more. NaN: the object was lost.
    """
    hand, friction = load_gripper("yumi"), 0.5
    mass = load * 2 * friction * hand.force / GRAVITY
    hold = PickConfig(solver=solver, max_mass=mass, shake_amplitude=0.0, shake_frequency=3 / seconds)  # x, y, z: thrice
    world = PickWorld(solid, hand, hold, mass / solid.volume, friction)
    height = -float(solid.mesh.bounds[0, 2])
    closing_along_y = frame_from_axes(np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]))
    grasp = Grasps(rigid(closing_along_y, np.array([0.0, 0.0, height]))[None], np.array([hand.max_width]))
    interval = seconds / 20
    result = world.pick(rigid(np.eye(3), np.array([0.0, 0.0, height])), grasp, frame_interval=interval)
    held = [transform_points(invert(f.world_from_grasp), f.world_from_objects[0, :3, 3][None])[0]
            for f in result.frames if f.phase == "shake"]  # fmt: skip
    if not result.success or len(held) < 10:
        return float("nan")
    return float(np.linalg.norm(held[-1] - held[4])) / ((len(held) - 5) * interval)


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


@main.command("creep")
def print_creep() -> None:
    """Print, for every variant of every study, how fast (mm/s) a grip well within Coulomb's cone slides."""
    variants = {variant.name: variant.pick.solver for study in STUDIES.values() for variant in study}
    solids = [solid_from_mesh(mesh, name) for name, mesh in CREEP_SOLIDS.items()]
    cases = [(solid, load) for solid in solids for load in CREEP_LOADS]
    click.echo(f"{'mm/s at a share of 2 μ F':24s}" + "".join(f"{s.name:>9s} {load:.0%}" for s, load in cases))
    for name, solver in variants.items():
        speeds = [creep(solid, solver, load) for solid, load in cases]
        click.echo(f"{name:24s}" + "".join(f"{1000 * speed:13.3f}" for speed in speeds))


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
