"""From a robot's description, URDF or MJCF, to a gripper file that says where each of its numbers is from."""
