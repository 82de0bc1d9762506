"""From a depth image to a grasp (arrows: only to graspnet)."""
