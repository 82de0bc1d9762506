"""What everybody speaks in: cameras, grasps, grippers, observations, datasets, networks.

Conventions: SI units; 4x4 float64 `target_from_source`; OpenCV cameras (x right, y down, z forward), integer pixel =
centre; depth is z in metres, NaN = missing; world z up, table at z = 0; grasp frame z = approach, y = closing axis.
"""
