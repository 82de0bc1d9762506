"""Grasp quality networks and their checkpoints."""
