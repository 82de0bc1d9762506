"""Tensor operations: patches, affine maps and samples of images, convolutions as algebra, windows, distances, pairs."""
