"""A depth image of three objects on a bench, to try things on, and the command that unpacks it."""
