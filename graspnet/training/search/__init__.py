"""A search over the settings of a training, by Optuna."""
