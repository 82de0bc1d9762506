"""A screen: many small trainings under an equal budget, compared on objects that no test holds."""
