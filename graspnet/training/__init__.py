"""Training a grasp quality network on a dataset."""
