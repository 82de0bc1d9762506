"""A policy in the loop: picking trials, statistics, reports."""
