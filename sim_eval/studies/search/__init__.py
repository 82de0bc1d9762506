"""Studies of the search alone: what it finds, before anything is picked."""
