"""Picks in which the hand is led by what a camera on it, or beside the arm, sees on the way."""
