"""Closed loop: a grasp that is followed while the hand approaches it."""
