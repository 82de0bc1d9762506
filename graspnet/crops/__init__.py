"""Crops: the only place where a grasp and what a camera saw become a network's input."""
