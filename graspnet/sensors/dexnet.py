"""Dex-Net's sensor noise: a scale for each image and a correlated Gaussian field (no model of a camera)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.sensors.sensor import Sensor, check_not_negative, check_share, gaussian_field, measured

__all__ = ["DexNetSensor", "DexNetSensorConfig"]


@dataclass(frozen=True, kw_only=True)
class DexNetSensorConfig:
    """Dex-Net 2.0's noise y = α ŷ + ε (Mahler et al., RSS 2017, supplement)."""

    gamma_shape: float = 1000.0  # α ~ Gamma(k, 1/k), one for each image: σ 3.2 %, 23 mm at 0.75 m
    deviation: float = 0.005  # σ of the Gaussian process ε, metres
    probability: float = 0.5  # ε is added with this probability (gqcnn's released configs; the paper always adds it).
    length_px: float = 3 * 2**0.5  # squared-exponential kernel: √2 pixels of a 32-pixel crop cut from 96 pixels

    def __post_init__(self) -> None:
        check_not_negative(self, ("deviation", "length_px"))
        check_share(self, ("probability",))
        if not self.gamma_shape > 0:
            raise InputError(f"gamma_shape is {self.gamma_shape}; it must be positive")


class DexNetSensor(Sensor):
    """Dex-Net's noise, on the image and not on the grasp: faithful, no model of a camera (no edges, no holes).

    Its code drew ε on a grid four times coarser than the crop and resized it; this is the paper's stationary process.
    """

    def __init__(self, config: DexNetSensorConfig | None = None) -> None:
        self.config = config or DexNetSensorConfig()

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """α ŷ + ε for a clean image ŷ."""
        config = self.config
        noisy = measured(depth, camera)
        noisy *= np.float32(rng.gamma(config.gamma_shape, 1 / config.gamma_shape))
        if rng.random() < config.probability:
            # White noise blurred by a Gaussian of s has the covariance exp(−d² / 4 s²): a kernel of length √2 s.
            noisy += np.float32(config.deviation) * gaussian_field(noisy.shape, config.length_px / 2**0.5, 0.0, rng)
        return noisy
