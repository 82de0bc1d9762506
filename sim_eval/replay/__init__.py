"""Replays: trials once more, to be looked at."""
