"""Does the judge's verdict hang on its own settings?

`python -m graspnet.sim_eval.studies.fidelity verdicts step --objects 100`

And does it judge the objects that are rendered? `python -m graspnet.sim_eval.studies.fidelity geometry --objects DIR`
Could signed distance fields judge in place of convex pieces? sdf_study.py

The same grasps, on the same objects at rest, are executed under each variant of a study, and the shares of lifted ones
are compared as pairs. Grasps are drawn as in generation, most of them near the edge between lifting and not, where a
verdict would change first.
"""

import csv
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click
import numpy as np
from jaxtyping import Bool

from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names
from graspnet.data_gen.objects.piece_fit import FAR, TOLERATED, Fit, fit_of
from graspnet.data_gen.physics.pick import PickConfig, PickWorld
from graspnet.data_gen.physics.world import SolverConfig
from graspnet.errors import InputError
from graspnet.run.engines import LocalEngine
from graspnet.run.progress import track
from graspnet.sim_eval.analysis.statistics import paired_difference
from graspnet.sim_eval.studies.judge_cases import CREEP_LOADS, CREEP_SOLIDS, Share, creep, drawn
from graspnet.sim_eval.studies.sdf_study import print_loading, print_sdf

__all__ = ["SECOND_JUDGE", "STUDIES", "ObjectFit", "Variant", "geometry", "verdicts"]


@dataclass(frozen=True)
class Variant:
    """The judge under other settings."""

    name: str
    pick: PickConfig


def _solver(name: str, **changes: Any) -> Variant:
    return Variant(name, PickConfig(solver=replace(SolverConfig(), **changes)))


BASE = Variant("as published", PickConfig())
# Another solver, friction solved for once more without slip, contacts twice as hard, smaller steps. It shares the hand
# with the first. Softer contacts are no alternative: at contact_time 0.01 and impedance 0.99 the pads of a YuMi meet
# halfway through a cube of 2 cm and 1 g.
SECOND_JUDGE = PickConfig(
    solver=SolverConfig(
        time_step=0.001, contact_time=0.002, impedance=0.9999, friction_to_normal_impedance=1.0, noslip_iterations=10,
        algorithm="cg", iterations=500, tolerance=1e-12,
    )
)  # fmt: skip
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
    "solver": (
        BASE,
        _solver("a tenth of the iterations", iterations=10),
        _solver("conjugate gradients, 500", algorithm="cg", iterations=500, tolerance=1e-12),
        _solver("ten noslip iterations", noslip_iterations=10),
        _solver("and half the time step", noslip_iterations=10, time_step=0.001),
    ),
}


@dataclass(frozen=True)
class ObjectFit:
    """One object's collision pieces; `problem` says why it has none."""

    name: str
    pieces: int = 0
    fit: Fit | None = None
    problem: str = ""


def verdicts(share: Share) -> Bool[np.ndarray, "N V"]:
    """Say whether each of N grasps of one object was lifted, under each of V variants."""
    case = drawn(share)
    worlds = [
        PickWorld(case.solid, case.gripper, variant.pick, case.density, case.friction)
        for variant in STUDIES[share.study]
    ]
    at_rest, grasps = worlds[0].settle(case.world_from_object), case.grasps
    return np.array([[world.pick(at_rest, grasps[i : i + 1]).success for world in worlds] for i in range(len(grasps))])


def geometry(config: ObjectConfig, name: str) -> ObjectFit:
    """Measure how far one object's collision pieces are from its surface."""
    try:
        solid = load_object(config, name, np.random.default_rng(0))
        parts = convex_parts(solid)
    except InputError as error:
        return ObjectFit(name, problem=str(error))
    return ObjectFit(name, len(parts), fit_of(solid, parts))


@click.group()
def main() -> None:
    """Studies of the judge."""


main.add_command(print_sdf)
main.add_command(print_loading)


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
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["object", "pieces", "volume_error", "hausdorff_mm", "share_over_1_mm_off", "problem"])
    fits = []
    for one in sorted(found, key=lambda one: one.name):
        fit = one.fit
        values = [fit.volume_error, 1000 * fit.hausdorff, fit.far_share] if fit else [""] * 3
        table.writerow([one.name, one.pieces, *(f"{v:.4f}" if fit else v for v in values), one.problem])
        fits += [] if fit is None else [fit.far_share]
    summary = f"{len(fits)} of {len(names)} objects"
    if fits:
        summary += (
            f"; share over {1000 * FAR:g} mm off: median {np.median(fits):.2%}, largest {np.max(fits):.2%},"
            f" above {TOLERATED:.0%} in {np.sum(np.array(fits) > TOLERATED)}"
        )
    click.echo(summary, err=True)


if __name__ == "__main__":
    main()
