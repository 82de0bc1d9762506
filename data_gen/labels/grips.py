"""Grips as labels: grasps of an object executed in physics, with what is uncertain drawn anew for each execution.

Unlike tugs.py, which measures the force that a grasp holds, this asks only whether it holds, in a fraction of the time.
One execution is a label already: 0 or 1, with the mean that a thousand would have.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool

from graspnet.data_gen.labels.uncertainty import UncertaintyConfig, perturbed
from graspnet.data_gen.physics.grip import GripConfig, GripWorld
from graspnet.data_gen.physics.heaps import HeapConfig
from graspnet.data_gen.physics.pick import ClutterWorld, HandWorld, PickWorld
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.transforms import frame_from_axes, invert, rigid

__all__ = ["CALIBRATED_ARM", "GripLabelConfig", "held", "label_world"]

# The pose error of an arm that was calibrated with care; friction and centre of mass are as uncertain as ever.
CALIBRATED_ARM = UncertaintyConfig(samples=1, grasp_translation=0.001, grasp_rotation=float(np.deg2rad(0.1)))


@dataclass(frozen=True, kw_only=True)
class GripLabelConfig:
    """How often each grasp is executed, with what drawn at random."""

    executions: int = 1
    uncertainty: UncertaintyConfig = field(default_factory=lambda: CALIBRATED_ARM)
    density: tuple[float, float] = (200.0, 1200.0)  # kg/m³, uniform, of each execution
    grip: GripConfig = field(default_factory=GripConfig)

    def __post_init__(self) -> None:
        if self.executions < 1:
            raise InputError(f"executions is {self.executions}; it must be at least 1")
        if not 0 < self.density[0] <= self.density[1]:
            raise InputError(f"density is {self.density}; expected two growing positive numbers (kg/m³)")


def label_world(
    scene: Scene,
    gripper: ParallelJaw,
    config: GripLabelConfig,
    rng: np.random.Generator,
    heap: HeapConfig | None = None,
) -> HandWorld:
    """A world of the scene's objects, and a hand; its contacts are drawn. heap: how the objects came to lie there, with
    the friction among them; None: there is only one.

    Centres of mass are 10 µm off the objects' origins, or MuJoCo would refuse to move them later.
    """
    movable = [replace(solid, mesh=solid.mesh.copy().apply_translation([1e-5, 0, 0])) for solid in scene.solids]
    pick = config.grip.contacts.draw(config.grip.pick, rng)
    if heap is None:
        (solid,) = movable
        return PickWorld(solid, gripper, pick)
    pick = replace(pick, table_friction=heap.friction)
    return ClutterWorld(movable, gripper, pick, [heap.density] * len(movable), heap.friction, scene.bin)


def held(
    world: HandWorld,
    scene: Scene,
    target: int,
    grasps_in_world: Grasps,
    config: GripLabelConfig,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "N K"]:
    """Whether grasps of solid `target` hold in each of K executions.

    world: `label_world` of the scene. Its objects begin each execution at rest where the scene has them.
    """
    solid, world_from_object = scene.solids[target], scene.world_from_object[target]
    uncertainty = replace(config.uncertainty, samples=config.executions)
    samples = perturbed(grasps_in_world.transformed(invert(world_from_object)), solid, uncertainty, rng)
    approach = np.cross(samples.across, samples.closing)
    poses = world_from_object @ rigid(frame_from_axes(approach, samples.closing), samples.origin)
    density = rng.uniform(*config.density, samples.friction.shape)
    mass = np.minimum(density * solid.volume, world.config.max_mass)
    grips = GripWorld(world, config.grip)
    found = np.zeros(samples.friction.shape, dtype=bool)
    for n, k in np.ndindex(*found.shape):
        grips.load(target, float(mass[n, k]), float(samples.friction[n, k]), samples.center_of_mass[n, k])
        width = float(samples.width[n, 0])
        found[n, k] = grips.grip(scene.world_from_object, target, poses[n, k], width) == "success"
    return found
