"""What was seen: a depth image with its camera and gripper, and the relief that a gripper meets along its approach."""
