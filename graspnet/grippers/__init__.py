"""Grippers: what a hand is made of, and what a grasp of its kind has besides a pose."""
