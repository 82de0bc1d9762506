"""Contact: what jaws touch when they close, and what that can hold; one sample of a grasp at a time."""
