"""A network on a dataset that holds the truth: how good, where it is worse, why, and what to do about it."""
