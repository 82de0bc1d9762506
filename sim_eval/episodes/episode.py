"""Episodes that are ready to run: objects at rest, a camera that has looked, and the physics."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import binary_opening, label

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.outcome import PickResult
from graspnet.data_gen.physics.pick import HandWorld
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.foreground import MIN_HEIGHT
from graspnet.observation.observation import Observation
from graspnet.sensors import Sensor
from graspnet.sim_eval.episodes.chance import planning_seed
from graspnet.sim_eval.planners.planner import Situation
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.transforms import transform_points

__all__ = ["Episode", "Workspace"]

WALL_MARGIN = 0.005  # m; so near to a bin's walls nothing is taken for an object, for calibration and noise blur them
MIN_AREA = 1e-4  # m²: smaller patches above the floor are noise of the sensor


@dataclass(frozen=True)
class Workspace:
    """Where the arm picks: what is above the floor, in ± x and ± y about the world's origin (metres)."""

    x: float
    y: float
    margin: float = 0.0  # so near to its border nothing is taken for an object

    @staticmethod
    def cube(side: float) -> "Workspace":
        """Make the workspace that a cube stands in."""
        return Workspace(side / 2, side / 2)

    @staticmethod
    def between_walls(bin_: Bin) -> "Workspace":
        """Make the workspace that a bin's walls enclose."""
        return Workspace(bin_.inner_x / 2, bin_.inner_y / 2, WALL_MARGIN)

    @property
    def radius(self) -> float:
        """Measure half the diagonal of the floor."""
        return float(np.hypot(self.x, self.y))

    def contains(self, world_from_objects: Float64[np.ndarray, "M 4 4"]) -> Bool[np.ndarray, "M"]:
        """Say whose origins are inside."""
        at = world_from_objects[:, :3, 3]
        return np.asarray((np.abs(at[:, :2]) <= [self.x, self.y]).all(axis=1) & (at[:, 2] > 0))

    def mask(
        self,
        depth: Float32[np.ndarray, "H W"],
        camera: Camera,
        world_from_believed_camera: Float64[np.ndarray, "4 4"],
    ) -> Bool[np.ndarray, "H W"]:
        """Mark the pixels that rise above the floor inside, as the arm believes; no single specks."""
        in_camera = np.nan_to_num(camera.deproject_image(depth)).reshape(-1, 3)
        points = transform_points(world_from_believed_camera, in_camera).reshape(*depth.shape, 3)
        half = np.array([self.x, self.y]) - self.margin
        within = (np.abs(points[..., :2]) <= half).all(axis=-1) & (points[..., 2] > MIN_HEIGHT)
        areas, number = label(binary_opening(np.isfinite(depth) & within, np.ones((3, 3))))
        pixel = float(np.nanmedian(depth)) ** 2 / (camera.fx * camera.fy)
        large = np.bincount(areas.ravel(), minlength=number + 1) * pixel >= MIN_AREA
        large[0] = False  # what is not within
        return np.asarray(large[areas])


@dataclass(frozen=True, eq=False)
class Episode:
    """An episode that is ready: M objects at rest, a camera that has looked, and the physics."""

    config: ProtocolConfig
    seed: int
    index: int
    names: tuple[str, ...]
    solids: tuple[Solid, ...]
    friction: float
    world: HandWorld  # the physics: the same for every planner's picks
    world_from_objects: Float64[np.ndarray, "M 4 4"]  # at rest, when the first of them is picked
    world_from_seen_objects: Float64[np.ndarray, "M 4 4"]  # when the camera looked: the same, unless they move
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]  # the truth
    world_from_believed_camera: Float64[np.ndarray, "4 4"]  # what the arm takes for the truth
    sensor: Sensor
    workspace: Workspace | None = None  # None: an object that may lie anywhere in view; its outline is known instead
    left_out: int = 0  # objects that rolled out of the workspace, or found no place, before the first attempt
    passed_over: dict[str, str] = field(default_factory=dict)  # objects that were drawn and cannot be used: why
    situation: Situation | None = None  # what a planner is asked first; None: nothing is seen

    @property
    def plan_seed(self) -> int:
        """Seed every planner's first plan with this."""
        return planning_seed(self.seed, self.index, 0)

    @property
    def gripper(self) -> ParallelJaw:
        """Look up the world's hand."""
        return self.world.gripper

    @property
    def observation(self) -> Observation:
        """Look up what a policy sees first."""
        assert self.situation is not None, "something is seen"
        return self.situation.observation

    def execute(self, grasp_in_camera: Grasps, frame_interval: float | None = None) -> PickResult:
        """Pick at the start, with one grasp sent to where the arm believes the camera to be."""
        self.world.present[:] = True
        grasp_in_world = grasp_in_camera.transformed(self.world_from_believed_camera)
        return self.world.attempt(self.world_from_objects, grasp_in_world, frame_interval)
