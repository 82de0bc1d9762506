"""Only what the arm reaches: a plan asks a function of poses, here the analytic inverse kinematics of a UR5.

The function is asked for each grasp and for the pose from which the hand comes, 0.1 m back. So the search looks where
the arm gets to, and does not find out afterwards that it does not. Writes 09_reach_with_an_arm.png, where the
candidates that the arm cannot reach have a colour of their own.

On the command line, with this folder on Python's path: `graspnet plan … --feasible ur5_kinematics:reaches --explain`.
"""

import numpy as np
import ur5_kinematics as ur5

import graspnet as gn
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.sensors import load_sensor
from graspnet.transforms import rigid

# a bench with three hammers, the farthest of them beyond the arm's reach; the camera hangs 1 m above
rng = np.random.default_rng(5)
camera = gn.load_camera("primesense")
world_from_camera = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.2, 0.0, 1.0]))
solid = make_solid("hammer", rng)
poses = np.repeat(stable_poses(solid).world_from_object[:1], 3, axis=0)
poses[:, :2, 3] = [[0.0, 0.15], [0.2, -0.15], [0.52, 0.1]]
with RaycastRenderer() as renderer:
    seen = renderer.render(Scene((solid,) * 3, poses), camera, world_from_camera)
depth = load_sensor("phoxi")(seen.depth, camera, rng)

anywhere = gn.plan(depth, camera, "yumi", world_from_camera=world_from_camera)
plan = gn.plan(depth, camera, "yumi", world_from_camera=world_from_camera, feasible=ur5.reaches)
for name, found in (("without the arm", anywhere), ("with the arm", plan)):
    reached = [bool(ur5.reaches(grasp.world_from_grasp[None])[0]) for grasp in found]
    print(f"{name}: {found.summary}; things {[grasp.thing for grasp in found]}, reached {reached}")
print(f"refused:\n{plan.refusals}")

best = plan.best.world_from_grasp.copy()
best[:3, 3] -= ur5.BASE_IN_WORLD + ur5.FLANGE_TO_GRASP * best[:3, 2]
joints = ur5.solutions(best[None])[0]
print(f"{np.isfinite(joints[:, 0]).sum()} of 8 solutions; one of them, in degrees:")
print(np.rad2deg(joints[np.isfinite(joints[:, 0])][0]).round(1))
plan.draw("09_reach_with_an_arm.png", explain=True)
