"""Grasps: poses in some frame, and how they look in an image."""
