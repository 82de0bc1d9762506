"""Samplers: where candidates of a plan come from."""
