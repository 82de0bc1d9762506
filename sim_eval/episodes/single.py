"""Episodes of one object, alone on the table in a stable pose: it settles, and the camera looks."""

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.object_source import object_names, posed_at_random
from graspnet.data_gen.physics.pick import PickWorld
from graspnet.data_gen.scenes.scenes import sample_camera, sample_placement
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.sensors import load_sensor
from graspnet.sim_eval.episodes.chance import MOTION, calibration_error, friction_coefficient, solid_of, stream
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import SingleConfig
from graspnet.sim_eval.sets.object_sets import load_object_set
from graspnet.transforms import rotation_about

__all__ = ["draw_single", "object_of", "single_of"]

UP = np.array([0.0, 0.0, 1.0])


def draw_single(config: ProtocolConfig, task: SingleConfig, seed: int, index: int) -> Episode:
    """Draw episode number `index` of a seed. InputError: it cannot start (a mesh that is no solid)."""
    rng = np.random.default_rng([seed, index])
    solid, pose = _draw_solid(config, task, index, load_parallel_jaw(config.gripper), rng)
    return single_of(config, task, solid, pose, seed, index, rng)


def single_of(
    config: ProtocolConfig,
    task: SingleConfig,
    solid: Solid,
    pose: Float64[np.ndarray, "4 4"],
    seed: int,
    index: int,
    rng: np.random.Generator,
) -> Episode:
    """Draw from `rng` all that is left to draw for a solid in its size and a stable pose; nobody has looked yet."""
    gripper, sensor = load_parallel_jaw(config.gripper), load_sensor(config.sensor, config.sensor_noise)
    camera, world_from_camera = sample_camera(config.view, rng, radius=solid.radius)
    placed = sample_placement(
        pose, camera, world_from_camera, task, rng, radius=solid.radius, margin=config.view.margin
    )
    friction, density = friction_coefficient(config, rng), float(rng.uniform(*config.density))
    believed = world_from_camera @ calibration_error(config, rng)
    world = PickWorld(solid, gripper, config.pick, density, friction)
    settled = world.settle(placed, task.settle_time)
    moved = _moved(settled, task, stream(seed, index, MOTION))
    return Episode(
        config, seed, index, (solid.name,), (solid,), friction, world, moved[None], settled[None], camera,
        world_from_camera, believed, sensor,
    )  # fmt: skip


def object_of(config: ProtocolConfig, index: int) -> str:
    """Name the object whose turn it is."""
    frozen = config.task.object_set
    names = object_names(config.objects) if frozen is None else load_object_set(frozen).record.names
    return names[index % len(names)]


def _draw_solid(
    config: ProtocolConfig, task: SingleConfig, index: int, gripper: ParallelJaw, rng: np.random.Generator
) -> tuple[Solid, Float64[np.ndarray, "4 4"]]:
    """Draw a solid and its stable pose. Objects take turns; each episode draws a pose and a size of its own."""
    if task.object_set is not None:
        return _frozen_solid(task.object_set, index, gripper)
    names = object_names(config.objects)
    shape = index % len(names)
    solid = solid_of(config, shape, names[shape])
    scale, scaled_pose = posed_at_random(solid, task.stable_pose_probability, config.objects, gripper, rng)
    return solid.scaled(scale), scaled_pose


def _frozen_solid(source: str, index: int, gripper: ParallelJaw) -> tuple[Solid, Float64[np.ndarray, "4 4"]]:
    """Take a solid and its pose from a frozen set, sized for the hand."""
    frozen = load_object_set(source)
    one, scale = frozen.object_pose(index), gripper.max_width / frozen.record.opening
    pose = one.world_from_object.copy()
    pose[:3, 3] *= scale
    return one.solid.scaled(scale), pose


def _moved(
    world_from_object: Float64[np.ndarray, "4 4"], task: SingleConfig, rng: np.random.Generator
) -> Float64[np.ndarray, "4 4"]:
    """Shift an object along the table and turn it about the vertical through its origin."""
    direction, side = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    moved = world_from_object.copy()
    moved[:3, :3] = rotation_about(UP, np.array(side * task.turn)) @ moved[:3, :3]
    moved[:2, 3] += task.shift * np.array([np.cos(direction), np.sin(direction)])
    return moved
