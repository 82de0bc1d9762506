"""An arm and a camera: where the camera is, how fast the hand goes, how late a picture is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.transforms import frame_from_axes, rigid

__all__ = ["RigConfig"]


@dataclass(frozen=True, kw_only=True)
class RigConfig:
    """SI units. The camera on the hand hangs beside the palm and looks at the place between the pads, from some way
    off. The camera beside the arm is the one that looks first."""

    place: Literal["on_hand", "beside_arm"] = "on_hand"  # of the camera that looks on the way
    fov: float = np.deg2rad(69.0)  # horizontal, of 320 x 240 pixels
    beside: float = 0.07  # from the approach axis, along the hand's x
    behind: float = 0.10  # from the pads' centre, back along the approach
    looks_at: float = 0.25  # its axis meets the approach axis so far in front of it
    translation: float = 0.001  # σ along each axis of the error between hand and camera
    rotation: float = np.deg2rad(0.1)  # σ about each axis
    frame_interval: float = 0.1  # from picture to picture
    latency: float = 0.08  # from a picture until the hand knows what it says: sensor, transfer and planning
    second_look: float = 0.3  # between camera and grasp; a leader that looks once more does so from there
    delay: float = 0.3  # from the first look until the hand sets out
    height: float = 0.35  # over the grasp, where the hand sets out
    speed: float = 0.2  # along the approach
    sideways: float = 0.25  # across it
    turning: float = 1.5  # rad/s
    acceleration: float = 2.0
    funnel: float = 4.0  # the hand comes no nearer than so many times what it is still off sideways
    patience: float = 8.0  # the hand gives up after so many seconds

    def __post_init__(self) -> None:
        for name in ("fov", "looks_at", "frame_interval", "height", "speed", "sideways", "turning", "acceleration"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.latency < 0 or self.translation < 0 or self.rotation < 0:
            raise InputError("latency, translation and rotation must not be negative")

    @property
    def camera(self) -> Camera:
        """The camera on the hand."""
        return Camera.from_fov(self.fov, 320, 240)

    @property
    def hand_from_camera(self) -> Float64[np.ndarray, "4 4"]:
        """Where the camera hangs, as the arm believes: x of its image is across the hand's closing axis."""
        place = np.array([self.beside, 0.0, -self.behind])
        looks = np.array([0.0, 0.0, self.looks_at - self.behind]) - place
        # the camera's y axis is what is closest to the hand's −x: its image is upright as seen from behind the palm
        return rigid(frame_from_axes(looks, np.array([-1.0, 0.0, 0.0])), place)
