"""Protocols: what episodes of picking are drawn from, the same ones for every planner.

An episode is one or more attempts at what lies there. With one attempt at one object it is a trial.
"""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from graspnet.config import with_overrides
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.pick import PickConfig
from graspnet.data_gen.scenes.scenes import CameraConfig
from graspnet.errors import InputError
from graspnet.sim_eval.protocols.tasks import SingleConfig, Task

__all__ = ["BASE", "ProtocolConfig"]

BASE = "base"  # the protocol itself has this name beside its variants


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Which episodes, and how many. SI units; frictions are those between pads and object.

    The defaults are those of the preset `single`.
    """

    episodes: int = 400
    task: Task = field(default_factory=SingleConfig)
    gripper: str = "yumi"  # a preset or a file
    objects: ObjectConfig = field(default_factory=lambda: ObjectConfig(count=112))  # procedural, four of each family
    shape_seed: int = 1000  # procedural shapes come from it, whatever the episodes' seed is
    view: CameraConfig = field(default_factory=CameraConfig)
    sensor: str = "structured_light"
    sensor_noise: float = 1.0  # factor of the sensor's errors; 0: none but its shadows and grazing losses
    depth_scale: float = 1.0  # factor of every measured depth
    friction_mean: float = 0.5
    friction_deviation: float = 0.1
    friction_range: tuple[float, float] = (0.2, 1.0)  # the normal distribution is truncated to it
    density: tuple[float, float] = (200.0, 1200.0)  # kg/m³, uniform
    calibration_translation: float = 0.001  # σ along each axis of the camera
    calibration_rotation: float = np.deg2rad(0.1)  # σ about each axis of the camera
    pick: PickConfig = field(default_factory=PickConfig)
    # An attempt without planning takes so many seconds: picks per hour are counted with it. FC-GQ-CNN's 296 an hour at
    # 85.6 % are 10.4 s each, of which planning took 0.625 s (Satish et al., RA-L 2019).
    motion_time: float = 9.8
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)  # name: KEY=VALUE … (analysis/variants.py)

    def __post_init__(self) -> None:
        low, high = self.friction_range
        if self.episodes < 1:
            raise InputError(f"episodes is {self.episodes}; it must be at least 1")
        if not 0 <= low < high or not low < self.friction_mean < high:
            raise InputError(
                f"friction_range is {self.friction_range}; it must hold friction_mean = {self.friction_mean}"
            )
        if not 0 < self.density[0] <= self.density[1]:
            raise InputError(f"density is {self.density}; expected two growing positive numbers (kg/m³)")
        if min(self.friction_deviation, self.calibration_translation, self.calibration_rotation) < 0:
            raise InputError("friction_deviation and the calibration's deviations must not be negative")
        if self.sensor_noise < 0 or not self.depth_scale > 0:
            raise InputError("sensor_noise must not be negative, and depth_scale must be positive")
        if not self.motion_time >= 0:
            raise InputError(f"motion_time is {self.motion_time}; it must not be negative (seconds)")
        self._check_task()
        self._check_variants()

    @property
    def of_trials(self) -> bool:
        """True where every episode is a trial: one attempt at one object."""
        return self.task.objects == self.task.failures == 1

    def runs(self) -> dict[str, "ProtocolConfig"]:
        """Make the protocol itself, called BASE, and what each variant makes of it; none of these has variants."""
        base = replace(self, variants={}) if self.variants else self
        changed = {name: with_overrides(base, overrides) for name, overrides in self.variants.items()}
        return {BASE: base} | changed

    def _check_task(self) -> None:
        """Refuse objects and sensors that the task does not use."""
        task = self.task
        if task.object_set is not None and self.objects.folders:
            raise InputError(f"object_set is {task.object_set!r}; a frozen set has its own meshes: give no folders")
        if task.fusion is not None and (self.sensor, self.sensor_noise, self.depth_scale) != ("ideal", 1.0, 1.0):
            raise InputError(
                f"sensor is {self.sensor!r}, sensor_noise {self.sensor_noise:g}, "
                f"depth_scale {self.depth_scale:g}; fused views (task.fusion) are clean: expected 'ideal', 1 and 1"
            )

    def _check_variants(self) -> None:
        if self.variants and not self.of_trials:
            raise InputError("variants are of trials: of one attempt at one object")
        for name in self.variants:
            if not re.fullmatch(r"[\w.-]+", name) or name == BASE:
                raise InputError(f"variant {name!r}: it names a folder; letters, digits, _, . and -, but not {BASE!r}")
        self.runs()
