"""Tensor operations: patches, affine sampling, the grasp-aligned crop."""
