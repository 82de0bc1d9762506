"""Tensor operations: patches, affine maps and samples of images."""
