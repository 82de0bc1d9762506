"""Facts about the pictures of audited grasps: jaws stop at the object, and a cut shows what is where."""

import numpy as np
import pytest
import trimesh

from graspnet.camera import Camera
from graspnet.data_gen.catalogue.audit import AuditedGrasp
from graspnet.data_gen.catalogue.audit_page import INSIDE, grasp_figure, jaw_stops
from graspnet.data_gen.labels.label import label_grasps, seen_in_image
from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.drawing import png_bytes
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid

HAND = load_gripper("yumi")  # opening 50 mm; pads 20 mm broad and high
BRICK = solid_from_mesh(trimesh.creation.box((0.06, 0.03, 0.02)), "brick")
SCENE = Scene((BRICK,), rigid(np.eye(3), np.array([0.0, 0.0, 0.01]))[None])


def audited(x: float = 0.0, y: float = 0.0, z: float = 0.012) -> AuditedGrasp:
    """Straight down above (x, y), closing along the world's y."""
    rotation = frame_from_axes(np.array([[0.0, 0.0, -1.0]]), np.array([[0.0, 1.0, 0.0]]))
    grasp = Grasps.of_jaws(rigid(rotation, np.array([[x, y, z]])), np.array([0.05]))
    names, rng = ["robust_force_closure"], np.random.default_rng(0)
    labels = label_grasps(SCENE, 0, grasp, np.array(["here"]), HAND, names, MetricConfig(), rng)
    table = seen_in_image(
        labels, rigid(np.eye(3), np.array([0.0, 0.0, 1.0])), Camera(1.0, 1.0, 0.0, 0.0, 1, 1), 0, 1, "yumi"
    )
    return AuditedGrasp("holds", "here", SCENE, 0, grasp, labels.hold.contacts, HAND, table, 0)


@pytest.mark.parametrize(
    ("grasp", "stops"),
    [
        (audited(), [-0.015, 0.015]),
        (audited(y=0.004), [-0.019, 0.011]),
        (audited(x=0.039), [-0.015, 0.015]),  # the last millimetre of the pads' breadth
        (audited(x=0.045), [np.nan, np.nan]),
        (audited(z=0.029), [-0.015, 0.015]),  # the last millimetre of their height
        (audited(z=0.035), [np.nan, np.nan]),
    ],
)
def test_jaws_stop_where_the_pads_meet_the_bricks_sides(grasp, stops):
    np.testing.assert_allclose(jaw_stops(grasp), stops, atol=1e-6)


def test_a_cut_shows_the_brick_above_the_table_and_air_beside_it():
    figure = grasp_figure(audited(), friction=0.5)
    along, across = (axes.images[0] for axes in figure.axes[1:])
    for y, z, what in (
        (0.0, 0.0, "object"),
        (14.0, 11.0, "object"),
        (16.0, 0.0, None),
        (0.0, -9.0, None),
        (0.0, 13.0, "table"),
    ):
        assert colour_at(along, y, z) == INSIDE.get(what, (255, 255, 255))
    for y, x, what in ((14.0, 29.0, "object"), (14.0, 31.0, None), (-16.0, 0.0, None)):
        assert colour_at(across, y, x) == INSIDE.get(what, (255, 255, 255))
    assert png_bytes(figure)[1:4] == b"PNG"


def colour_at(image, right: float, down: float) -> tuple[int, ...]:
    left, end, bottom, top = image.get_extent()
    pixels = image.get_array()
    column = int((right - left) / (end - left) * pixels.shape[1])
    row = int((down - top) / (bottom - top) * pixels.shape[0])
    return tuple(pixels[row, column].tolist())
