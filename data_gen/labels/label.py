"""Labels: what a scene, a grasp and a hand decide, computed once for however many images show them.

Contacts, metrics and clearances do not change when a camera moves, nor when the whole scene is turned about the
vertical or shifted along the table. An image only adds where it sees each grasp: a row of the dataset's GraspTable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from graspnet.camera import Camera
from graspnet.data_gen.collision.collision import clearance
from graspnet.data_gen.contact.contacts import Contacts, contact_finder
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.dataset import Clearance, GraspTable, MetricEstimate
from graspnet.grasps.grasps import Grasps
from graspnet.grasps.image_grasps import image_from_grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.inputs.depth_image import NEAREST
from graspnet.transforms import invert, transform_points

__all__ = ["HoldLabels", "LabelledGrasps", "hold_labels", "label_grasps", "seen_in_image"]

Index = Int64[np.ndarray, "M"] | Bool[np.ndarray, "N"]


@dataclass(frozen=True)
class HoldLabels:
    """Whether N grasps hold an object, wherever it lies: contacts in some frame, and what the metrics say of them."""

    contacts: Contacts
    metrics: dict[str, MetricEstimate]

    def __getitem__(self, index: Index) -> "HoldLabels":
        contacts = Contacts(self.contacts.points[index], self.contacts.normals[index], self.contacts.found[index])
        return HoldLabels(contacts, {name: metric[index] for name, metric in self.metrics.items()})

    def transformed(self, target_from_frame: Float64[np.ndarray, "4 4"]) -> "HoldLabels":
        """The same labels with contacts in another frame."""
        return HoldLabels(self.contacts.transformed(target_from_frame), self.metrics)


@dataclass(frozen=True)
class LabelledGrasps:
    """N grasps of one object of a scene, with everything that no camera changes. source: how each was sampled."""

    grasps_in_world: Grasps
    source: Shaped[np.ndarray, "N"]
    hold: HoldLabels  # contacts in the world
    clearance: Clearance

    def __len__(self) -> int:
        return len(self.grasps_in_world)

    def __getitem__(self, index: Index) -> "LabelledGrasps":
        grasps, source = self.grasps_in_world[index], self.source[index]
        return LabelledGrasps(grasps, source, self.hold[index], self.clearance[index])


def label_grasps(
    scene: Scene,
    target: int,
    grasps_in_world: Grasps,
    source: Shaped[np.ndarray, "N"],
    gripper: ParallelJaw,
    metrics: Sequence[str],
    assumed: MetricConfig,
    rng: np.random.Generator,
) -> LabelledGrasps:
    """Labels of grasps of solid `target`: its own robustness, and how far the hand stays from everything in the scene.

    Gravity is (0, 0, −1) in the world.
    """
    solid, world_from_object = scene.solids[target], scene.world_from_object[target]
    grasps_in_object = grasps_in_world.transformed(invert(world_from_object))
    gravity_in_object = world_from_object[:3, :3].T @ np.array([0.0, 0.0, -1.0])
    hold = hold_labels(solid, grasps_in_object, gripper, gravity_in_object, metrics, assumed, rng)
    free = clearance(scene, target, grasps_in_world, gripper)
    return LabelledGrasps(grasps_in_world, source, hold.transformed(world_from_object), free)


def hold_labels(
    solid: Solid,
    grasps_in_object: Grasps,
    gripper: ParallelJaw,
    gravity_in_object: Float64[np.ndarray, "3"],
    metrics: Sequence[str],
    assumed: MetricConfig,
    rng: np.random.Generator,
) -> HoldLabels:
    """Contacts of the unperturbed grasps, in the object frame, and the metrics' estimates."""
    contacts = contact_finder(solid)(grasps_in_object)
    return HoldLabels(contacts, estimate(metrics, solid, grasps_in_object, gripper, gravity_in_object, assumed, rng))


def seen_in_image(
    labels: LabelledGrasps,
    camera_from_world: Float64[np.ndarray, "4 4"],
    camera: Camera,
    image: int,
    instance: int,
    gripper: str,
) -> GraspTable:
    """The grasps as rows of the table of image number `image`, which shows their object as `instance`.

    `camera_from_world` starts from the world in which they were labelled. A grasp nearer than any depth
    camera sees is no row: an object may be so large that the camera stands beside a part of it.
    """
    in_front = labels.grasps_in_world.transformed(camera_from_world).origin[:, 2] > NEAREST
    labels = labels[np.flatnonzero(in_front)]
    grasps_in_camera = labels.grasps_in_world.transformed(camera_from_world)
    seen = image_from_grasps(grasps_in_camera, camera)
    count = len(labels)
    return GraspTable(
        image=np.full(count, image),
        instance=np.full(count, instance),
        camera_from_grasp=grasps_in_camera.poses,
        columns=grasps_in_camera.columns,
        center=seen.center,
        angle=seen.angle,
        depth=seen.depth,
        contacts=transform_points(camera_from_world, labels.hold.contacts.points.reshape(-1, 3)).reshape(-1, 2, 3),
        contact_found=labels.hold.contacts.found,
        clearance=labels.clearance,
        source=tuple(labels.source.tolist()),
        gripper=(gripper,) * count,
        metrics=labels.hold.metrics,
    )
