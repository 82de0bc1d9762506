"""Can MuJoCo's signed distance fields replace convex pieces?

`python -m graspnet.sim_eval.studies.fidelity sdf`, `... sdf-loading`

The objects are procedural, so their pieces are exact: they are the truth. A field is made of the same mesh; between a
box (a pad) and a field, MuJoCo descends from `points` starting points towards where the two overlap most, and each
that arrives inside both is a contact, its normal halfway between those of the two surfaces. Between a mesh and a field
each triangle of the mesh gives one contact at most, with the field's normal.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import trimesh
from jaxtyping import Bool, Float64

from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names
from graspnet.data_gen.objects.piece_fit import fit_of
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import load_parallel_jaw
from graspnet.physics_engine import load_mujoco
from graspnet.run.engines import LocalEngine
from graspnet.run.progress import track
from graspnet.sim_eval.analysis.statistics import bootstrap_over_objects, paired_difference
from graspnet.sim_eval.studies.judge_cases import CREEP_LOADS, CREEP_SOLIDS, Share, creep, drawn

__all__ = ["CONTROL", "FIELDS", "PIECES", "FieldConfig", "Judged", "SdfVariant", "judged", "largest_creep",
           "print_loading", "print_sdf", "wedge", "world_of"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FieldConfig:
    """An object as a field; the values are MuJoCo's own."""

    depth: int = 6  # of the octree of distances, cells halve at each
    points: int = 40  # sdf_initpoints: where descents begin, of each pair of shapes
    iterations: int = 10  # sdf_iterations of a descent
    pad_triangles: float | None = None  # m, the longest edge; the hand's boxes become meshes of such triangles


@dataclass(frozen=True)
class SdfVariant:
    """A judge, and what objects are to it; None: their convex pieces."""

    name: str
    as_field: FieldConfig | None
    solver: SolverConfig = field(default_factory=SolverConfig)


def _contacts(name: str, **changes: Any) -> SdfVariant:
    return SdfVariant(name, FieldConfig(), replace(SolverConfig(), **changes))


PIECES = SdfVariant("exact pieces", None)
CONTROL = SdfVariant("exact pieces, half the time step", None, SolverConfig(time_step=0.001))  # what is chance
FIELDS = (
    SdfVariant("SDF as MuJoCo sets it", FieldConfig()),
    SdfVariant("100 initial points", FieldConfig(points=100)),
    SdfVariant("50 iterations", FieldConfig(iterations=50)),
    SdfVariant("octree of depth 8", FieldConfig(depth=8)),
    SdfVariant("pads of 8 mm triangles", FieldConfig(pad_triangles=0.008)),
    _contacts("contacts 2.5 times as slow", contact_time=0.01),
    _contacts("impedance 0.9999", impedance=0.9999),
    _contacts("impratio 100", friction_to_normal_impedance=100.0),
    _contacts("ten noslip iterations", noslip_iterations=10),
)


@dataclass(frozen=True)
class Judged:
    """One object's grasps under V variants; the first is the truth."""

    name: str
    lifted: Bool[np.ndarray, "N V"]
    pick_time: Float64[np.ndarray, "V"]  # CPU seconds of one pick, on average
    load_time: Float64[np.ndarray, "V"]  # CPU seconds until the world is compiled


def judged(variants: tuple[SdfVariant, ...], share: Share) -> Judged:
    """Let every variant judge the share's grasps, all from where the first lets the object come to rest."""
    case = drawn(share)
    worlds, load_time, pick_time, lifted = [], [], [], []
    for variant in variants:
        start = _cpu_time()
        worlds.append(world_of(case.solid, variant, case.density, case.friction, share.gripper))
        load_time.append(_cpu_time() - start)
    at_rest = worlds[0].settle(case.world_from_object)
    for world in worlds:
        start = _cpu_time()
        lifted.append([world.pick(at_rest, case.grasps[i : i + 1]).success for i in range(len(case.grasps))])
        pick_time.append((_cpu_time() - start) / len(case.grasps))
    return Judged(case.solid.name, np.array(lifted).T, np.array(pick_time), np.array(load_time))


def world_of(solid: Solid, variant: SdfVariant, density: float, friction: float, gripper: str = "yumi") -> PickWorld:
    """Make the variant's world with that one object; density and friction are `PickWorld`'s."""
    config = PickConfig(solver=variant.solver)
    return PickWorld(solid, load_parallel_jaw(gripper), config, density, friction, _edit(solid, variant))


def _edit(solid: Solid, variant: SdfVariant) -> Callable[[Any], None] | None:
    return None if variant.as_field is None else partial(_as_field, solid, variant.as_field)


def _as_field(solid: Solid, config: FieldConfig, spec: Any) -> None:
    """Replace the pieces of the one object in an MjSpec by a field of its mesh, with the same contact settings."""
    mujoco = load_mujoco()
    spec.option.sdf_initpoints, spec.option.sdf_iterations = config.points, config.iterations
    mesh = _add_mesh(spec, "object_field", solid.mesh)
    mesh.needsdf, mesh.octree_maxdepth = True, config.depth
    pieces = [geom for geom in spec.geoms if geom.name.startswith("object_0_part_")]
    spec.body("object_0").add_geom(
        name=mesh.name, type=mujoco.mjtGeom.mjGEOM_SDF, meshname=mesh.name,
        **{key: getattr(pieces[0], key)
           for key in ("contype", "conaffinity", "condim", "friction", "priority", "solref", "solimp")},
    )  # fmt: skip
    for piece in pieces:
        spec.delete(piece)
    if config.pad_triangles is not None:
        for name in ("palm", "left", "right"):
            geom = spec.geom(name)
            box = trimesh.creation.box(2 * np.asarray(geom.size)).subdivide_to_size(config.pad_triangles)
            geom.type, geom.meshname = mujoco.mjtGeom.mjGEOM_MESH, _add_mesh(spec, f"{name}_grid", box).name


def _add_mesh(spec: Any, name: str, mesh: trimesh.Trimesh) -> Any:
    added = spec.add_mesh(name=name)
    added.uservert, added.userface = mesh.vertices.ravel(), mesh.faces.ravel()
    return added


TAPER = np.radians(10.0)  # of either side of the wedge
FRICTION_ANGLE = np.arctan(0.5)  # of `creep`


def wedge() -> trimesh.Trimesh:
    """Make a wedge, 20 mm wide at its top; its sides meet the edges of the pads, whose normals are all that holds it.

    Coulomb's friction holds a weight of 2 F tan(atan μ − taper).
    """
    width = {0.0: 0.02 + 0.08 * np.tan(TAPER), 0.04: 0.02}
    corners = [(x, y, z) for x in (-0.015, 0.015) for z in width for y in (-width[z] / 2, width[z] / 2)]
    return trimesh.convex.convex_hull(np.array(corners))


def largest_creep(name: str, variant: SdfVariant) -> float:
    """Find the fastest creep over the loads, in mm/s, on one of `CREEP_SOLIDS` or the wedge; NaN where one was lost."""
    solid = solid_from_mesh(wedge() if name == "wedge" else CREEP_SOLIDS[name], name)
    share = np.tan(FRICTION_ANGLE - TAPER) / np.tan(FRICTION_ANGLE) if name == "wedge" else 1.0
    edit = _edit(solid, variant)
    return 1000 * float(np.max([creep(solid, variant.solver, load * share, edit=edit) for load in CREEP_LOADS]))


@click.command("sdf")
@click.option("--objects", default=12, show_default=True, help="Procedural ones, one family after the other.")
@click.option("--grasps", default=8, show_default=True, help="Of each object.")
@click.option("--workers", default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--only", multiple=True, metavar="TEXT", help="Only the variants whose name has this; repeatable.")
def print_sdf(objects: int, grasps: int, workers: int, seed: int, only: tuple[str, ...]) -> None:
    """Print how verdicts on signed distance fields differ from those on the exact pieces, and whether grips slide.

    lost, gained: grasps that only the pieces lift, and only the variant. creep: the largest mm/s at which box,
    cylinder, ball and wedge slide through a grip that Coulomb's friction holds; lost where it let one of them go.
    Times are CPU seconds.
    """
    others = [v for v in (CONTROL, *FIELDS) if not only or any(text in v.name for text in only)]
    if not others:
        raise InputError(f"--only {', '.join(only)}: no such variant; known: {', '.join(v.name for v in FIELDS)}")
    variants = (PIECES, *others)
    shares = [Share("sdf", index, seed, grasps) for index in range(objects)]
    of_object = list(track(LocalEngine(workers).run(partial(judged, variants), shares), objects, "sdf", "objects"))
    lifted = np.concatenate([one.lifted for one in of_object])
    owners = [one.name for one in of_object for _ in one.lifted]
    click.echo("| variant | lifted | difference, points | over objects | lost / gained | creep | ms a pick | load, s |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for i, variant in enumerate(variants):
        speeds = [largest_creep(name, variant) for name in (*CREEP_SOLIDS, "wedge")]
        pair = paired_difference(lifted[:, i], lifted[:, 0])
        each = lifted[:, i].astype(float) - lifted[:, 0]
        low, high = bootstrap_over_objects(lambda trials, each=each: float(each[trials].mean()), owners)
        click.echo(
            f"| {variant.name} | {lifted[:, i].mean():.1%} of {len(lifted)} |"
            f" {100 * pair.difference:+.1f} [{100 * pair.low:+.1f}, {100 * pair.high:+.1f}] |"
            f" [{100 * low:+.1f}, {100 * high:+.1f}] | {pair.only_second} / {pair.only_first} |"
            f" {', '.join('lost' if np.isnan(speed) else f'{speed:.3f}' for speed in speeds)} |"
            f" {1000 * np.mean([one.pick_time[i] for one in of_object]):.0f} |"
            f" {np.mean([one.load_time[i] for one in of_object]):.2f} |"
        )


@click.command("sdf-loading")
@click.option("--objects", "folder", type=click.Path(exists=True), metavar="DIR", required=True, help="Meshes.")
@click.option("--count", default=4, show_default=True, help="The largest files of closed meshes.")
@click.option("--unit", default=1.0, show_default=True, help="Metres per unit of a mesh file.")
def print_loading(folder: str, count: int, unit: float) -> None:
    """Print the CPU time of a mesh's convex pieces, how well they fit, and the CPU time of its field."""
    config = ObjectConfig(folders=(folder,), unit=unit)
    names = sorted(object_names(config), key=lambda name: -(Path(folder) / name).stat().st_size)
    click.echo("| object | faces | pieces | CoACD, s | share over 1 mm off | SDF, s | SDF of depth 8, s |")
    click.echo("|---|---|---|---|---|---|---|")
    for solid in islice(_readable(config, names), count):
        start = _cpu_time()
        pieces = _fitted_pieces(solid)
        taken = _cpu_time() - start
        fields = [_field_time(solid, FieldConfig(depth=depth)) for depth in (6, 8)]
        click.echo(
            f"| {solid.name} | {len(solid.mesh.faces)} | {pieces[0]} | {taken:.1f} | {pieces[1]} | {fields[0]:.1f} |"
            f" {fields[1]:.1f} |"
        )


def _readable(config: ObjectConfig, names: list[str]) -> Iterator[Solid]:
    for name in names:
        try:
            yield load_object(config, name, np.random.default_rng(0))
        except InputError as error:
            click.echo(error, err=True)


def _fitted_pieces(solid: Solid) -> tuple[str, str]:
    """Count the pieces that CoACD makes, nothing cached, and measure the share of the surface that they miss."""
    try:
        with tempfile.TemporaryDirectory() as nothing_cached:
            parts = convex_parts(solid, Path(nothing_cached))
    except InputError as error:
        click.echo(error, err=True)
        return "none", ""
    return str(len(parts)), f"{fit_of(solid, parts).far_share:.1%}"


def _field_time(solid: Solid, config: FieldConfig) -> float:
    """Time how long MuJoCo compiles a world with the solid's field, in seconds."""
    solid = replace(solid, parts=(solid.mesh.convex_hull,))  # in place of pieces that `_as_field` removes
    start = _cpu_time()
    world_of(solid, SdfVariant("", config), 500.0, 0.5)
    return _cpu_time() - start


def _cpu_time() -> float:
    """Read the seconds that this process has used, and those that it has waited for (CoACD runs in its own)."""
    return sum(os.times()[:4])
