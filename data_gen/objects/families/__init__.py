"""Families of procedural shapes: each a function from a generator to a body and the convex pieces that tile it."""
