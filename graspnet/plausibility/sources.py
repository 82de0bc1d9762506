"""Where each part of an observation came from, for messages."""

from dataclasses import dataclass

__all__ = ["Sources"]


@dataclass(frozen=True)
class Sources:
    """What messages call each part: the name of its file, or of the argument that it was given as."""

    depth: str = "depth"
    camera: str = "camera"
    gripper: str = "gripper"
    segmask: str = "segmask"
    camera_pose: str = "world_from_camera"
