"""Picks in which the hand is led by what its own camera sees on the way."""
