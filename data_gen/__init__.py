"""The generative model: objects, poses, images, grasps and their robustness (arrows: only to graspnet)."""
