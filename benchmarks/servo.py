"""An image of a servo against a whole plan of the same image: how often a second can a grasp be followed?"""

import time
from dataclasses import replace

import numpy as np

from graspnet.benchmarks.measure import BenchmarkResult, interleaved
from graspnet.benchmarks.plan import untrained
from graspnet.camera import Camera
from graspnet.grippers.gripper import load_gripper
from graspnet.models import CompactConfig
from graspnet.observation.observation import Observation
from graspnet.policies.servo.servo import ServoConfig, load_servo
from graspnet.quality import NetworkQuality
from graspnet.run.threads import using_threads
from graspnet.transforms import rigid

__all__ = ["run"]

CAMERA = Camera.from_fov(1.2, 320, 240)
HEIGHT = 0.35  # m above the table


def run(quick: bool) -> BenchmarkResult:
    """One thread, CPU time. Untrained weights: a network takes as long for them."""
    quality = NetworkQuality(untrained(CompactConfig()))
    servo = load_servo(quality, overrides=("min_quality=0",), threads=1)
    images, taken = [_image(k) for k in range(30)], [0]

    def follow() -> None:
        taken[0] += 1
        target = servo.see(replace(images[taken[0] % len(images)]), 0.1 * taken[0])
        assert target.status == "following", target

    def plan() -> None:
        servo.policy.plan(replace(images[0], world_from_camera=None), np.random.default_rng(0))

    with using_threads(1):
        followed, planned = interleaved(follow, plan, 5 if quick else 15, time.process_time)
    return BenchmarkResult(
        benchmark="servo",
        ratio=planned / followed,
        of="time of a whole cross-entropy plan of an image / of following the grasp in it",
        figures={
            "image_milliseconds": 1000 * followed,
            "plan_milliseconds": 1000 * planned,
            "images_a_second": 1 / followed,
            "grasps_scored_an_image": float(ServoConfig().near + ServoConfig().fresh / ServoConfig().fresh_interval),
        },
        threads=1,
    )


def _image(k: int) -> Observation:
    """A block on a table, with noise of its own, seen from straight above."""
    rng = np.random.default_rng(k)
    depth = np.full((CAMERA.height, CAMERA.width), HEIGHT)
    depth[105:135, 130:190] = HEIGHT - 0.04
    depth += rng.normal(0.0, 0.0005, depth.shape)
    pose = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, HEIGHT]))
    return Observation(depth.astype(np.float32), CAMERA, load_gripper("yumi"), world_from_camera=pose)
