"""What a depth camera makes of a clean depth image: sensors by name, from none at all to two imagers side by side.

A preset of `configs/sensors/` or a file sets one model's constants; a package outside adds a sensor of its own under
the entry-point group `graspnet.sensors` (a class, or a function, that is called without arguments).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from graspnet.config import load_config, preset_names
from graspnet.errors import InputError
from graspnet.sensors.dexnet import DexNetSensor, DexNetSensorConfig
from graspnet.sensors.sensor import IdealSensor, Sensor
from graspnet.sensors.triangulation import TriangulationConfig, TriangulationSensor, times_as_noisy

__all__ = ["Sensor", "SensorConfig", "load_sensor"]


@dataclass(frozen=True, kw_only=True)
class SensorConfig:
    """A sensor file: the model and its constants. Without any it measures every pixel exactly."""

    dexnet: DexNetSensorConfig | None = None
    triangulation: TriangulationConfig | None = None

    def __post_init__(self) -> None:
        if self.dexnet is not None and self.triangulation is not None:
            raise InputError("dexnet and triangulation are two models; a sensor has one of them")

    def sensor(self) -> Sensor:
        """The sensor of this config."""
        if self.dexnet is not None:
            return DexNetSensor(self.dexnet)
        return IdealSensor() if self.triangulation is None else TriangulationSensor(self.triangulation)


def load_sensor(source: str | Path, noise: float = 1.0) -> Sensor:
    """The sensor of a preset of `configs/sensors/`, an installed package or a file; `noise` times as noisy.

    InputError: there is none, or it is no triangulating camera and should be more or less noisy.
    """
    if noise != 1.0:
        return _noisier(source, noise)
    if str(source) not in preset_names("sensors"):
        for entry in entry_points(group="graspnet.sensors", name=str(source)):
            make: Callable[[], Sensor] = entry.load()
            return make()
    return load_config(SensorConfig, "sensors", source).sensor()


def _noisier(source: str | Path, noise: float) -> Sensor:
    config = load_config(SensorConfig, "sensors", source).triangulation
    if config is None:
        raise InputError(f"sensor {source!r}: only the noise of triangulating cameras can be multiplied (by {noise})")
    return TriangulationSensor(times_as_noisy(config, noise))
