"""Labels: what a grasp is worth, over all that is uncertain."""
