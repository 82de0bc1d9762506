"""Demands: what a person or an arm adds to an image: a region, the arm's reach, where grasps have just failed."""
