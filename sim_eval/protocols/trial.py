"""One honest picking trial: settle, render, sense, plan, pick.

Everything that chance decides is drawn from default_rng([seed, index]), so that every policy meets the same trial. The
policy sees a noisy depth image, its camera, a segmask and the gripper; the camera's pose is known to the arm alone,
and only up to a calibration error.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
from jaxtyping import Float64

from data_gen.objects.decomposition import convex_parts
from data_gen.objects.meshes import Solid
from data_gen.objects.object_source import ObjectConfig, load_object, object_names, posed_at_random
from data_gen.physics.outcome import Outcome, PickResult
from data_gen.physics.pick import PickConfig, PickWorld
from data_gen.scenes.rendering import Renderer
from data_gen.scenes.scenes import Scene, SceneConfig, sample_camera, sample_placement
from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJawGripper, load_gripper
from graspnet.observation import Observation
from graspnet.plan import GraspPlan
from graspnet.sensors import load_sensor
from graspnet.transforms import rigid, rotation_about
from sim_eval.analysis.records import in_words
from sim_eval.planners.planner import Planner, PlannerError, Situation
from sim_eval.sets.object_sets import load_object_set

__all__ = [
    "Trial",
    "TrialConfig",
    "TrialResult",
    "calibration_error",
    "draw_trial",
    "execute",
    "friction_coefficient",
    "object_of",
    "run_attempt",
    "run_trial",
    "solid_of",
    "trial_of",
]

SHAPES = 3  # stream of the shapes: `generate` draws its own from [seed, index], so a trial's object was in no dataset
NOISE, PLANNING, MOTION = 1, 2, 4  # further streams of a trial: [seed, index, NOISE]


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """What trials are drawn from. SI units; frictions are those between pads and object."""

    gripper: str = "yumi"  # a preset or a file
    objects: ObjectConfig = field(default_factory=lambda: ObjectConfig(count=100))
    shape_seed: int = 1000  # of procedural objects: which shapes, whatever the trials' seed
    object_set: str | None = None  # a frozen set or its file instead of `objects`; its sizes follow the hand's opening
    scene: SceneConfig = field(default_factory=SceneConfig)
    sensor: str = "structured_light"
    sensor_noise: float = 1.0  # times the sensor's errors; 0: none but its shadows and grazing losses
    depth_scale: float = 1.0  # times every measured depth
    stable_pose_probability: float = 0.01  # poses less likely than this are left out
    friction_mean: float = 0.5
    friction_deviation: float = 0.1
    friction_range: tuple[float, float] = (0.2, 1.0)  # the normal distribution is truncated to it
    density: tuple[float, float] = (200.0, 1200.0)  # kg/m³, uniform
    calibration_translation: float = 0.001  # σ along each axis of the camera
    calibration_rotation: float = np.deg2rad(0.1)  # σ about each axis of the camera
    shift: float = 0.0  # m along the table, in a random direction, that the object moves between the look and the pick
    turn: float = 0.0  # radians about the vertical, to a random side, that it turns meanwhile
    pick: PickConfig = field(default_factory=PickConfig)

    def __post_init__(self) -> None:
        low, high = self.friction_range
        if not 0 <= low < high or not low < self.friction_mean < high:
            raise InputError(
                f"friction_range is {self.friction_range}; it must hold friction_mean = {self.friction_mean}"
            )
        if not 0 < self.density[0] <= self.density[1]:
            raise InputError(f"density is {self.density}; expected two growing positive numbers (kg/m³)")
        if min(self.friction_deviation, self.calibration_translation, self.calibration_rotation) < 0:
            raise InputError("friction_deviation and the calibration's deviations must not be negative")
        if self.object_set is not None and self.objects.folders:
            raise InputError(f"object_set is {self.object_set!r}; a frozen set has its own meshes: give no folders")
        if min(self.sensor_noise, self.shift, self.turn) < 0 or not self.depth_scale > 0:
            raise InputError("sensor_noise, shift and turn must not be negative, and depth_scale must be positive")


@dataclass(frozen=True, eq=False)
class Trial:
    """A trial that is ready: the object has settled and the camera has looked."""

    seed: int
    index: int
    solid: Solid
    gripper: ParallelJawGripper
    world_from_object: Float64[np.ndarray, "4 4"]  # at rest, when it is picked
    world_from_seen_object: Float64[np.ndarray, "4 4"]  # when the camera looked: the same, unless the protocol moves it
    world_from_camera: Float64[np.ndarray, "4 4"]  # the truth
    world_from_believed_camera: Float64[np.ndarray, "4 4"]  # what the arm takes for the truth
    observation: Observation
    friction: float
    world: PickWorld  # the physics: the same for every policy's pick

    @property
    def plan_seed(self) -> int:
        """The policy's seed: `graspnet plan --seed` on the saved observation gives the trial's plan."""
        return int(np.random.SeedSequence([self.seed, self.index, PLANNING]).generate_state(1)[0])

    @property
    def situation(self) -> Situation:
        """What a planner is asked."""
        return Situation(
            self.observation, Scene((self.solid,), self.world_from_seen_object[None]), self.world_from_camera,
            self.world_from_believed_camera, self.plan_seed,
        )  # fmt: skip


@dataclass(frozen=True)
class TrialResult:
    """How one policy fared. quality: of the grasp that was executed; seconds: of planning; reason: of no plan."""

    outcome: Outcome
    quality: float = float("nan")
    seconds: float = 0.0
    reason: str = ""
    contact_distance: float = float("nan")
    rise: float = 0.0
    pushed: float = 0.0
    peak_force: float = 0.0
    world_from_grasp: tuple[tuple[float, ...], ...] = ()
    width: float = float("nan")

    @property
    def success(self) -> bool:
        """Whether the object was still in the hand at the end."""
        return self.outcome == "success"


def draw_trial(config: TrialConfig, seed: int, index: int, renderer: Renderer) -> Trial:
    """Trial number `index` of a seed: its object, scene and physics drawn, settled, rendered and sensed.

    InputError: it cannot start (a mesh that is no solid, an object out of view).
    """
    rng = np.random.default_rng([seed, index])
    solid, pose = _draw_solid(config, index, load_gripper(config.gripper), rng)
    return trial_of(config, solid, pose, seed, index, renderer, rng)


def trial_of(
    config: TrialConfig,
    solid: Solid,
    pose: Float64[np.ndarray, "4 4"],
    seed: int,
    index: int,
    renderer: Renderer,
    rng: np.random.Generator,
) -> Trial:
    """As `draw_trial`, of a solid in its size and a stable pose; all that is left is drawn from `rng`."""
    gripper = load_gripper(config.gripper)
    camera, world_from_camera = sample_camera(config.scene, rng, radius=solid.radius)
    placed = sample_placement(
        pose, camera, world_from_camera, config.scene, rng, radius=solid.radius, margin=config.scene.margin
    )
    friction, density = friction_coefficient(config, rng), float(rng.uniform(*config.density))
    believed = world_from_camera @ calibration_error(config, rng)
    world = PickWorld(solid, gripper, config.pick, density, friction)
    settled = world.settle(placed)
    noise = np.random.default_rng([seed, index, NOISE])
    observation = _observe(config, solid, settled, camera, world_from_camera, gripper, renderer, noise)
    moved = _moved(settled, config, np.random.default_rng([seed, index, MOTION]))
    return Trial(
        seed, index, solid, gripper, moved, settled, world_from_camera, believed, observation, friction, world
    )  # fmt: skip


def run_trial(trial: Trial, planner: Planner) -> tuple[TrialResult, GraspPlan]:
    """Plan on what the trial's camera saw and execute the best grasp."""
    result, plan, _ = run_attempt(trial.situation, planner, lambda grasp: execute(trial, grasp))
    return result, plan


def run_attempt(
    situation: Situation, planner: Planner, pick: Callable[[Grasps], PickResult]
) -> tuple[TrialResult, GraspPlan, PickResult | None]:
    """Ask a planner, and `pick` the best grasp of its plan (in the camera frame), if there is one."""
    start = perf_counter()
    try:
        plan = _plan(situation, planner)
    except PlannerError as error:
        plan = GraspPlan(Grasps.none(), np.zeros(0), str(error))
        return TrialResult("planner_failed", seconds=perf_counter() - start, reason=str(error)), plan, None
    seconds = plan.seconds.get("total", 0.0)
    if not len(plan):
        return TrialResult("no_plan", seconds=seconds, reason=plan.reason), plan, None
    best = plan.grasps_in_camera[slice(1)]
    picked = pick(best)
    pose = best.transformed(situation.world_from_believed_camera).poses[0]  # as it was executed, to the last bit
    result = TrialResult(
        picked.outcome, float(plan.qualities[0]), seconds, "", picked.contact_distance, picked.rise, picked.pushed,
        picked.peak_force, tuple(tuple(float(x) for x in row) for row in pose), float(best.width[0]),
    )  # fmt: skip
    return result, plan, picked


def _plan(situation: Situation, planner: Planner) -> GraspPlan:
    """PlannerError: it gives no plan, for whatever reason."""
    try:
        plan = planner.plan(situation)
    except (PlannerError, InputError) as error:
        raise PlannerError(str(error) or in_words(error)) from error
    except (Exception, SystemExit) as error:  # whoever wrote the planner: its faults are its own, and the run goes on
        raise PlannerError(in_words(error)) from error
    if not isinstance(plan, GraspPlan):
        raise PlannerError(f"answered with {type(plan).__name__}, which is no GraspPlan")
    return plan


def execute(trial: Trial, grasp_in_camera: Grasps, frame_interval: float | None = None) -> PickResult:
    """The physical pick of one grasp, sent to where the arm believes the camera to be."""
    grasp_in_world = grasp_in_camera.transformed(trial.world_from_believed_camera)
    return trial.world.pick(trial.world_from_object, grasp_in_world, frame_interval)


def object_of(config: TrialConfig, index: int) -> str:
    """The name of the object of a trial: objects take turns."""
    frozen = config.object_set
    names = object_names(config.objects) if frozen is None else load_object_set(frozen).record.names
    return names[index % len(names)]


def friction_coefficient(config: TrialConfig, rng: np.random.Generator) -> float:
    """From the truncated normal distribution, by rejection."""
    low, high = config.friction_range
    while True:
        friction = float(rng.normal(config.friction_mean, config.friction_deviation))
        if low <= friction <= high:
            return friction


def calibration_error(config: TrialConfig, rng: np.random.Generator) -> Float64[np.ndarray, "4 4"]:
    """camera_from_believed_camera: a small shift and a small turn, each normal about each axis."""
    shift = rng.normal(0.0, config.calibration_translation, 3)
    turn = rng.normal(0.0, config.calibration_rotation, 3)
    angle = np.linalg.norm(turn)
    axis = turn / angle if angle > 0 else np.array([0.0, 0.0, 1.0])
    return rigid(rotation_about(axis, np.array(angle)), shift)


def _draw_solid(
    config: TrialConfig, index: int, gripper: ParallelJawGripper, rng: np.random.Generator
) -> tuple[Solid, Float64[np.ndarray, "4 4"]]:
    """A solid and its stable pose. Objects take turns; each trial draws a pose, and a size for it, of its own."""
    if config.object_set is not None:
        return _frozen_solid(config.object_set, index, gripper)
    names = object_names(config.objects)
    shape = index % len(names)
    solid = solid_of(config, shape, names[shape])
    scale, scaled_pose = posed_at_random(solid, config.stable_pose_probability, config.objects, gripper, rng)
    return solid.scaled(scale), scaled_pose


def solid_of(config: TrialConfig, shape: int, name: str) -> Solid:
    """An object at its own size, with its convex pieces: one decomposition serves every scale."""
    solid = load_object(config.objects, name, np.random.default_rng([config.shape_seed, shape, SHAPES]))
    return replace(solid, parts=convex_parts(solid))


def _frozen_solid(source: str, index: int, gripper: ParallelJawGripper) -> tuple[Solid, Float64[np.ndarray, "4 4"]]:
    """A solid and its pose of a frozen set, sized for the hand."""
    frozen = load_object_set(source)
    one, scale = frozen.object_pose(index), gripper.max_width / frozen.record.opening
    pose = one.world_from_object.copy()
    pose[:3, 3] *= scale
    return one.solid.scaled(scale), pose


def _observe(
    config: TrialConfig,
    solid: Solid,
    world_from_object: Float64[np.ndarray, "4 4"],
    camera: Camera,
    world_from_camera: Float64[np.ndarray, "4 4"],
    gripper: ParallelJawGripper,
    renderer: Renderer,
    rng: np.random.Generator,
) -> Observation:
    """What the policy sees: the noisy depth image and the object's true outline in it."""
    rendering = renderer.render(Scene((solid,), world_from_object[None]), camera, world_from_camera)
    mask = rendering.instance == 1
    if not mask.any():
        raise InputError(f"{solid.name}: out of the camera's view after settling")
    depth = load_sensor(config.sensor, config.sensor_noise)(rendering.depth, camera, rng)
    return Observation(depth * np.float32(config.depth_scale), camera, gripper, mask)


def _moved(
    world_from_object: Float64[np.ndarray, "4 4"], config: TrialConfig, rng: np.random.Generator
) -> Float64[np.ndarray, "4 4"]:
    """Shifted along the table and turned about the vertical through the object's origin."""
    direction, side = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    moved = world_from_object.copy()
    moved[:3, :3] = rotation_about(np.array([0.0, 0.0, 1.0]), np.array(side * config.turn)) @ moved[:3, :3]
    moved[:2, 3] += config.shift * np.array([np.cos(direction), np.sin(direction)])
    return moved
