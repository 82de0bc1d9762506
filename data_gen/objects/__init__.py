"""Objects: shapes from meshes and procedural families, each one closed surface; how they rest; and
the convex pieces that stand in for them in physics.
"""
