"""Cameras that look on the way: one that hangs on the hand, and one that stands beside the arm and sees the hand come.

Both know two worlds (approach.py): where they are in the arm's is what the arm believes; where they are in the object's
is what they see.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import trimesh
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import binary_dilation

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.hand import hand_meshes
from graspnet.data_gen.scenes.rendering import Renderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.observation import Observation
from graspnet.sim_eval.closed_loop.rig import RigConfig
from graspnet.sim_eval.episodes.chance import stream
from graspnet.sim_eval.episodes.episode import Episode

__all__ = ["BesideArm", "HandAt", "Look", "OnHand", "RigCamera"]

PICTURES = 7  # a stream of an episode: [seed, index, STREAM]; chance.py and trial.py have the others
ARM_MARGIN = 15  # pixels by which the hand's outline is widened: 5 mm and 1° of calibration at 0.7 m


@dataclass(frozen=True)
class HandAt:
    """Where the hand is when a picture is taken. width: how far it is open, metres."""

    arm_from_hand: Float64[np.ndarray, "4 4"]  # in the arm's world
    world_from_hand: Float64[np.ndarray, "4 4"]  # in the object's world, where the physics happens
    width: float
    time: float


@dataclass(frozen=True)
class Look:
    """A picture, as the arm believes it was taken. arm: pixels that may show the hand; None: none can."""

    observation: Observation
    arm: Bool[np.ndarray, "H W"] | None = None


class RigCamera(ABC):
    """Takes pictures of an episode."""

    def __init__(self, episode: Episode, renderer: Renderer) -> None:
        self._episode, self._renderer = episode, renderer
        self._noise = stream(episode.seed, episode.index, PICTURES)

    @abstractmethod
    def look(self, hand: HandAt) -> Look:
        """Take a picture."""

    def _depth(
        self, scene: Scene, camera: Camera, world_from_camera: Float64[np.ndarray, "4 4"]
    ) -> Float32[np.ndarray, "H W"]:
        """What the sensor gives."""
        rendering = self._renderer.render(scene, camera, world_from_camera)
        return np.asarray(self._episode.sensor(rendering.depth, camera, self._noise), dtype=np.float32)


class OnHand(RigCamera):
    """Hangs on the hand, which is not in its pictures."""

    def __init__(
        self, episode: Episode, renderer: Renderer, rig: RigConfig, hand_error: Float64[np.ndarray, "4 4"]
    ) -> None:
        """hand_error: from where the arm believes the camera to hang to where it does."""
        super().__init__(episode, renderer)
        self._camera, self._believed = rig.camera, rig.hand_from_camera
        self._true = rig.hand_from_camera @ hand_error

    def look(self, hand: HandAt) -> Look:
        """See RigCamera."""
        scene = Scene(self._episode.solids, self._episode.world.world_from_objects)
        depth = self._depth(scene, self._camera, hand.world_from_hand @ self._true)
        believed = hand.arm_from_hand @ self._believed
        return Look(Observation(depth, self._camera, self._episode.gripper, world_from_camera=believed))


class BesideArm(RigCamera):
    """The camera of the first look, which goes on looking. The hand comes into its pictures and hides what is behind.

    Fingers and palm are there; no wrist or forearm is.
    """

    def __init__(self, episode: Episode, renderer: Renderer, arm_from_camera: Float64[np.ndarray, "4 4"]) -> None:
        """arm_from_camera: where the arm believes the camera to be."""
        super().__init__(episode, renderer)
        self._believed = arm_from_camera

    def first(self) -> Look:
        """The look before the hand sets out."""
        return Look(replace(self._episode.observation, world_from_camera=self._believed))

    def look(self, hand: HandAt) -> Look:
        """See RigCamera. In the object's world the camera moves as the hand does, past a belt that stands still."""
        episode, camera = self._episode, self._episode.camera
        drawn = _hand(episode.gripper, round(hand.width, 4))
        carried = episode.world_from_camera.copy()
        carried[:3, 3] += hand.world_from_hand[:3, 3] - hand.arm_from_hand[:3, 3]
        scene = Scene((*episode.solids, drawn), np.stack([*episode.world.world_from_objects, hand.world_from_hand]))
        depth = self._depth(scene, camera, carried)
        alone = Scene((drawn,), hand.arm_from_hand[None], table=False)
        outline = np.isfinite(self._renderer.render(alone, camera, self._believed).depth)
        arm = binary_dilation(outline, iterations=ARM_MARGIN) if outline.any() else outline
        return Look(Observation(depth, camera, episode.gripper, world_from_camera=self._believed), arm)


@lru_cache(maxsize=8)
def _hand(gripper: ParallelJaw, width: float) -> Solid:
    """The fingers and the palm of an open hand, in its grasp frame."""
    mesh = trimesh.util.concatenate(hand_meshes(gripper, width))
    assert isinstance(mesh, trimesh.Trimesh)
    return Solid(gripper.name, mesh)
