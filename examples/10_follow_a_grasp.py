"""Closed loop: a hand with a camera follows a grasp on a belt, image after image, while it comes down.

The servo is told where the arm held the camera when each image was taken. It answers with the grasp as it was then, and
with the thing's speed, by which `target.at` looks ahead. Below the sensor's smallest range it goes on blindly. Writes
10_follow_a_grasp.png: where the object's middle was, and where the grasp was said to be, over time.
"""

import matplotlib
import numpy as np

import graspnet as gn
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.sensors import load_sensor
from graspnet.transforms import rigid

matplotlib.use("Agg")
from matplotlib import pyplot as plt

BELT = np.array([0.03, 0.01, 0.0])  # m/s
FRAME, LATENCY = 0.1, 0.08  # s: from image to image, and from an image until the arm may act on it

rng = np.random.default_rng(3)
camera, hand, sensor = gn.Camera.from_fov(1.2, 320, 240), gn.load_gripper("yumi"), load_sensor("structured_light")
solid = make_solid("hammer", rng)
resting = stable_poses(solid).world_from_object[0]
servo = gn.load_servo("parallel_jaw")

times, places, said = [], [], []
with RaycastRenderer() as renderer:
    for k in range(16):
        time, height = k * FRAME, 0.45 - 0.018 * k
        pose = resting.copy()
        pose[:3, 3] += BELT * time
        world_from_camera = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, height]) + BELT * time)
        seen = renderer.render(Scene((solid,), pose[None]), camera, world_from_camera)
        depth = sensor(seen.depth, camera, rng)
        image = gn.Observation(depth, camera, hand, world_from_camera=world_from_camera)
        target = servo.see(image, time)
        if target.world_from_grasp is None:
            print(f"{time:.1f} s: {target.status}: {target.reason}")
            continue
        now = target.at(time + LATENCY)[:3, 3]  # when the arm hears of it
        speed = 1000 * np.linalg.norm(target.velocity)
        print(f"{time:.1f} s: {target.status}, grasp at {np.round(1000 * now[:2])} mm, thing at {speed:.0f} mm/s")
        times.append(time + LATENCY)
        places.append(pose[:2, 3] + BELT[:2] * LATENCY)
        said.append(now[:2])

print(f"the belt: {1000 * np.linalg.norm(BELT):.0f} mm/s")
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(times, 1000 * np.array(places)[:, 0], label="the object's middle")
axes.plot(times, 1000 * np.array(said)[:, 0], "o", label="the grasp, as the servo says")
axes.set_xlabel("seconds")
axes.set_ylabel("x, mm")
axes.legend(frameon=False)
figure.savefig("10_follow_a_grasp.png", dpi=100)
