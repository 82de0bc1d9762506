"""Candidates: which grasps get a label."""
