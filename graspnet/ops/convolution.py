"""Convolutions as algebra: as patches and one sum, as an explicit matrix, and two of them merged into one.

A convolution here is what networks call so (a cross-correlation): y[i] = Σ_u K[u] x[s i + u − p] + b, with x zero
outside of its image. torch.nn.functional.conv2d is faster than the first two, which say what it does; merging saves a
layer wherever nothing stands between two of them.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from graspnet.errors import InputError
from graspnet.ops.patches import patches

__all__ = ["Convolution", "convolution_matrix", "convolve", "merge_convolutions"]

AXES = ("rows", "columns")


@dataclass(frozen=True)
class Convolution:
    """A layer: kernel (F, C, h, w), bias (F,), strides and zero padding along rows and columns."""

    kernel: Float[Tensor, "F C h w"]
    bias: Float[Tensor, "F"]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if min(self.stride) < 1 or min(self.padding) < 0:
            raise InputError(f"stride is {self.stride}, padding {self.padding}; expected >= 1 and >= 0")

    def __call__(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N F H2 W2"]:
        """The layer's outputs, by torch."""
        return torch.nn.functional.conv2d(images, self.kernel, self.bias, self.stride, self.padding)


def convolve(layer: Convolution, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N F H2 W2"]:
    """The same outputs, as a sum over patches: y[n, f, r, c] = Σ P[n, k, r, c, i, j] K[f, k, i, j] + b[f]."""
    rows, columns = layer.padding
    padded = torch.nn.functional.pad(images, (columns, columns, rows, rows))
    windows = patches(padded, layer.kernel.shape[2:], layer.stride)
    return torch.einsum("nkrcij,fkij->nfrc", windows, layer.kernel) + layer.bias[:, None, None]


def convolution_matrix(
    kernel: Float[Tensor, "F C h w"], height: int, width: int
) -> Float[Tensor, "H2 W2 F {height} {width} C"]:
    """The convolution of images (height, width, C) without padding as a linear map of six axes.

    y[r, c, f] = Σ W[r, c, f, i, j, k] x[i, j, k], where W[r, c, f, i, j, k] = K[f, k, i − r, j − c] inside of the
    kernel and 0 outside. It holds H W (H − h + 1)(W − w + 1) / h w times the kernel's numbers: for proofs, not for use.
    InputError: a kernel larger than the image.
    """
    rows, columns = kernel.shape[2:]
    if rows > height or columns > width:
        raise InputError(f"a kernel of {rows} x {columns} does not fit into an image of {height} x {width}")
    # a frame of zeros around the kernel holds every shifted copy: the one at (r, c) begins at (H − h − r, W − w − c)
    frame = torch.nn.functional.pad(kernel, (width - columns, width - columns, height - rows, height - rows))
    copies = patches(frame, (height, width)).flip(2, 3)  # (F, C, r, c, i, j)
    return copies.permute(2, 3, 0, 4, 5, 1)


def merge_convolutions(first: Convolution, second: Convolution, size: tuple[int, int] | None = None) -> Convolution:
    """One layer with the outputs of `second` after `first`, for every image, or for those of `size` (rows, columns).

    With kernel sizes k, strides s and paddings p of either, the merged one has, along each axis,

        K₃ = K₁ ∗ (K₂ with s₁ − 1 zeros between its taps),  s₃ = s₁ s₂,  p₃ = p₁ + s₁ p₂,  b₃ = b₂ + Σ K₂ b₁.

    It sees the image beyond the edge of the first layer's output, where the second one saw zeros. So without p₂ it is
    exact for any strides and any p₁. With p₂ > 0 it is exact if, and for all kernels only if, b₁ = 0 and what the first
    layer would say is 0 wherever the second one reaches beyond the m₁ outputs of the first: with i⁻ the last place
    before them that it reaches, and i⁺ the first place after them,

        s₁ i⁻ + k₁ − 1 < p₁    and    s₁ i⁺ ≥ n + p₁

    for images of n pixels. Where s₂ ≤ k₂, i⁻ is −1: p₁ ≥ k₁ − s₁. For images of any size i⁺ may be m₁, and p₁ must be
    k₁ − 1 at least.
    InputError: numbers of channels that do not meet; or the condition fails, with an image for which it does.
    """
    if second.kernel.shape[1] != first.kernel.shape[0]:
        raise InputError(
            f"the first layer has {first.kernel.shape[0]} outputs, the second expects {second.kernel.shape[1]}"
        )
    for axis in range(2):
        _check_axis(first, second, axis, None if size is None else size[axis])
    kernel = torch.nn.functional.conv_transpose2d(second.kernel, first.kernel, stride=first.stride)
    bias = second.bias + torch.einsum("fgij,g->f", second.kernel, first.bias)
    stride = (first.stride[0] * second.stride[0], first.stride[1] * second.stride[1])
    padding = tuple(p1 + s1 * p2 for p1, s1, p2 in zip(first.padding, first.stride, second.padding, strict=True))
    return Convolution(kernel, bias, stride, (padding[0], padding[1]))


def _check_axis(first: Convolution, second: Convolution, axis: int, length: int | None) -> None:
    """InputError: along this axis the merged layer would differ."""
    k1, s1, p1 = first.kernel.shape[2 + axis], first.stride[axis], first.padding[axis]
    k2, s2, p2 = second.kernel.shape[2 + axis], second.stride[axis], second.padding[axis]
    if p2 == 0:
        return
    where = f"along {AXES[axis]} the second layer pads by {p2}"
    if bool((first.bias != 0).any()):
        raise InputError(
            f"{where} with zeros, the merged one with the first layer's bias: "
            "an image of zeros gives other outputs at its border"
        )
    m1, m2 = (None, None) if length is None else _outputs(length, k1, s1, p1, k2, s2, p2)
    before = max(i for i in range(-p2, 0) if _reached(i, k2, s2, p2, m2))
    if s1 * before + k1 - 1 >= p1:
        raise InputError(
            f"{where}, and the first by {p1} <= k₁ − 1 + s₁ i⁻ = {k1 - 1 + s1 * before}: "
            "an image that is 1 in its first pixels and else 0 gives other first outputs"
        )
    if m1 is None or length is None:
        if p1 < k1 - 1:
            raise InputError(
                f"{where}, and the first by {p1} < k₁ − 1 = {k1 - 1}: there are images that are 1 in their last pixels "
                "and else 0 which give other last outputs; name the image's size if it is not one of these"
            )
        return
    after = [i for i in range(m1, m1 + p2) if _reached(i, k2, s2, p2, m2)]
    if after and s1 * after[0] < length + p1:
        raise InputError(
            f"{where}, and the first by {p1} > s₁ i⁺ − n = {s1 * after[0] - length}: "
            f"an image of {length} that is 1 in its last pixels and else 0 gives other last outputs"
        )


def _outputs(length: int, k1: int, s1: int, p1: int, k2: int, s2: int, p2: int) -> tuple[int, int]:
    """How many pixels either layer gives."""
    m1 = (length + 2 * p1 - k1) // s1 + 1
    return m1, (m1 + 2 * p2 - k2) // s2 + 1


def _reached(place: int, k2: int, s2: int, p2: int, m2: int | None) -> bool:
    """Whether any output of the second layer sees that place of the first one's outputs: s₂ j + v − p₂ for v < k₂."""
    j = (place + p2) // s2 if m2 is None else min(m2 - 1, (place + p2) // s2)
    return place + p2 - s2 * j < k2
