"""Collision: how far a hand stays from everything on its way."""
