"""The seam that every sensor implements, the sensor that measures exactly, and stationary Gaussian noise."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

from graspnet.camera import Camera
from graspnet.errors import InputError

__all__ = ["IdealSensor", "Sensor", "check_not_negative", "check_share", "gaussian_field", "measured"]


class Sensor(ABC):
    """Maps a clean depth image to what a camera would give.

    It works on a whole image and on any part of one (`Camera.window`): noise is stationary, so that a training epoch
    may add it to the windows around its grasps only.
    """

    @abstractmethod
    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """A new image in metres, NaN where nothing was measured; what is missing (0 or NaN) stays missing."""


class IdealSensor(Sensor):
    """Measures every pixel exactly."""

    def __call__(
        self, depth: Float32[np.ndarray, "H W"], camera: Camera, rng: np.random.Generator
    ) -> Float32[np.ndarray, "H W"]:
        """The clean depth, 0 turned into NaN."""
        return measured(depth, camera)


def measured(depth: Float32[np.ndarray, "H W"], camera: Camera) -> Float32[np.ndarray, "H W"]:
    """A copy with NaN where nothing is measured. InputError: the image is not of the camera's size."""
    if depth.shape != (camera.height, camera.width):
        raise InputError(f"depth image is {depth.shape[1]}x{depth.shape[0]}; the camera says {camera.size_text}")
    return np.where(depth > 0, depth, np.float32(np.nan))


def gaussian_field(
    shape: tuple[int, ...], blur_px: float, independent_share: float, rng: np.random.Generator
) -> Float32[np.ndarray, "H W"]:
    """Stationary Gaussian noise of variance 1: white noise blurred, plus a share of it as it was.

    One draw serves both parts, so they are correlated, which the normalisation takes into account. The draw is wider
    than the image by the blur's reach: the borders (of a window, too) are as noisy as the middle.
    """
    reach = int(np.ceil(2.5 * blur_px))
    size = (shape[0] + 2 * reach, shape[1] + 2 * reach)
    if reach == 0:
        return rng.standard_normal(size, dtype=np.float32)
    # Uniform numbers come six times faster than normal ones, and a sum of many is Gaussian all the same.
    white = rng.random(size, dtype=np.float32)
    white -= np.float32(0.5)
    white *= np.float32(12**0.5)
    inner = slice(reach, -reach)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / blur_px) ** 2)
    taps /= np.sqrt(np.sum(taps**2))  # the blurred field has variance 1
    field = ndimage.correlate1d(white, taps, axis=0)[inner]
    field = ndimage.correlate1d(field, taps, axis=1)[:, inner]
    if independent_share == 0:
        return field
    a, b = np.sqrt(1 - independent_share), np.sqrt(independent_share)
    norm = np.sqrt(1 + 2 * a * b * taps[reach] ** 2)  # a² + b² = 1; the covariance of both parts is the central tap²
    field *= np.float32(a / norm)
    field += np.float32(b / norm) * white[inner, inner]
    return field


def check_not_negative(config: object, names: tuple[str, ...]) -> None:
    """InputError where one of these fields is negative or infinite."""
    for name in names:
        if not 0 <= getattr(config, name) < np.inf:
            raise InputError(f"{name} is {getattr(config, name)}; it must not be negative")


def check_share(config: object, names: tuple[str, ...]) -> None:
    """InputError where one of these fields is no share of something."""
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise InputError(f"{name} is {getattr(config, name)}; it must lie in [0, 1]")
