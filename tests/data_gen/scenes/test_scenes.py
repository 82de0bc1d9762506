"""Cameras and placements against their stated distributions; every object is where it should be: in view, at rest."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy import stats
from scipy.spatial.transform import Rotation

from graspnet.camera import load_camera
from graspnet.config import config_to_dict, parse_config
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.scenes.scenes import Bin, Scene, SceneConfig, in_view, sample_camera, sample_placement
from graspnet.errors import InputError
from graspnet.transforms import invert, transform_points

OVERHEAD = SceneConfig(
    camera="primesense",
    distance=(0.7, 0.7),
    polar=(0.0, 0.0),
    tilted_share=0.0,
    azimuth=(-np.pi / 2, -np.pi / 2),
    roll=(0.0, 0.0),
)


@pytest.fixture(scope="module")
def box() -> Solid:
    return solid_from_mesh(trimesh.creation.box((0.10, 0.06, 0.04)), "box")


@pytest.fixture(scope="module")
def resting(box: Solid) -> np.ndarray:
    """The box on its largest face, turned by some angle."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec([0, 0, 0.3]).as_matrix()
    pose[2, 3] = 0.02
    return pose


def test_cameras_are_distributed_as_stated() -> None:
    rng = np.random.default_rng(0)
    config = SceneConfig()
    cameras, poses = zip(*(sample_camera(config, rng) for _ in range(2000)), strict=True)
    world_from_camera = np.stack(poses)
    distance = np.linalg.norm(world_from_camera[:, :3, 3], axis=1)
    assert stats.kstest(distance, stats.uniform(0.4, 0.7).cdf).pvalue > 0.01
    polar = np.rad2deg(np.arccos(-world_from_camera[:, 2, 2]))
    assert abs(np.mean(polar > 10) - 0.3) < 4 * np.sqrt(0.21 / 2000)
    assert stats.kstest(polar[polar <= 10], stats.uniform(0, 10).cdf).pvalue > 0.01
    assert stats.kstest(polar[polar > 10], stats.uniform(10, 20).cdf).pvalue > 0.01
    azimuth = np.arctan2(world_from_camera[:, 1, 3], world_from_camera[:, 0, 3]) % (2 * np.pi)
    assert stats.kstest(azimuth, stats.uniform(0, 2 * np.pi).cdf).pvalue > 0.01
    view = np.rad2deg(2 * np.arctan([camera.width / 2 / camera.fx for camera in cameras]))
    assert stats.kstest(view, stats.uniform(35, 40).cdf).pvalue > 0.01
    # The roll: the angle of the image's x axis from the horizontal tangent.
    level = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros(2000)], axis=1)
    x, y = world_from_camera[:, :3, 0], world_from_camera[:, :3, 1]
    roll = np.arctan2(-np.sum(y * level, 1), np.sum(x * level, 1)) % (2 * np.pi)
    assert stats.kstest(roll, stats.uniform(0, 2 * np.pi).cdf).pvalue > 0.01


def test_every_camera_looks_at_the_origin_along_its_optical_axis() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        camera, world_from_camera = sample_camera(SceneConfig(), rng)
        origin_in_camera = invert(world_from_camera)[:3, 3]
        np.testing.assert_allclose(camera.project(origin_in_camera), [319.5, 239.5], atol=1e-9)
        assert origin_in_camera[2] > 0


def test_an_overhead_camera_shows_the_world_as_a_map() -> None:
    camera, world_from_camera = sample_camera(OVERHEAD, np.random.default_rng(2))
    assert camera == load_camera("primesense")
    camera_from_world = invert(world_from_camera)
    origin, right, up = camera.project(
        transform_points(camera_from_world, np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]))
    )
    np.testing.assert_allclose(right - origin, [75, 0], atol=1e-9)  # 525 px * 0.1 m / 0.7 m
    np.testing.assert_allclose(up - origin, [0, -75], atol=1e-9)


def test_a_camera_too_close_for_the_object_is_drawn_again() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        camera, world_from_camera = sample_camera(SceneConfig(), rng, radius=0.12)
        assert in_view(camera, invert(world_from_camera)[None, :3, 3], 0.12).all()


def test_a_placement_keeps_the_stable_pose(resting: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    camera, world_from_camera = sample_camera(SceneConfig(), rng)
    placed = sample_placement(resting, camera, world_from_camera, SceneConfig(), rng)
    turn = placed @ invert(resting)
    np.testing.assert_allclose(turn[:3, 2], [0, 0, 1], atol=1e-12)  # about the vertical only
    assert placed[2, 3] == resting[2, 3]


def test_yaw_is_uniform(resting: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    camera, world_from_camera = sample_camera(OVERHEAD, rng)
    turned = np.stack(
        [sample_placement(resting, camera, world_from_camera, OVERHEAD, rng) @ invert(resting) for _ in range(1000)]
    )
    yaw = np.arctan2(turned[:, 1, 0], turned[:, 0, 0]) % (2 * np.pi)
    assert stats.kstest(yaw, stats.uniform(0, 2 * np.pi).cdf).pvalue > 0.01


def test_objects_lie_wholly_in_view(box: Solid, resting: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    for _ in range(200):
        camera, world_from_camera = sample_camera(SceneConfig(), rng, radius=box.radius)
        placed = sample_placement(resting, camera, world_from_camera, SceneConfig(), rng, radius=box.radius)
        vertices = transform_points(invert(world_from_camera) @ placed, np.asarray(box.mesh.vertices))
        uv = camera.project(vertices)
        assert (vertices[:, 2] > 0).all()
        assert (uv > 0.02 * 640 - 1).all()
        assert (uv < np.array([640, 480]) - 0.02 * 640).all()


def test_objects_lie_anywhere_in_view(resting: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    camera, world_from_camera = sample_camera(OVERHEAD, rng)
    config = replace(OVERHEAD, margin=0.0)
    centers = np.array([sample_placement(resting, camera, world_from_camera, config, rng)[:3, 3] for _ in range(1000)])
    u, v = camera.project(transform_points(invert(world_from_camera), centers)).T
    assert stats.kstest(u, stats.uniform(-0.5, 640).cdf).pvalue > 0.01
    assert stats.kstest(v, stats.uniform(-0.5, 480).cdf).pvalue > 0.01


def test_objects_are_not_seen_too_obliquely(resting: np.ndarray) -> None:
    rng = np.random.default_rng(8)
    config = SceneConfig(tilted_share=1.0, field_of_view=(np.deg2rad(75), np.deg2rad(75)))
    for _ in range(200):
        camera, world_from_camera = sample_camera(config, rng)
        line = sample_placement(resting, camera, world_from_camera, config, rng)[:3, 3] - world_from_camera[:3, 3]
        assert -line[2] / np.linalg.norm(line) >= np.cos(config.oblique) - 1e-9


def test_a_square_of_placements_is_uniform(resting: np.ndarray) -> None:
    rng = np.random.default_rng(9)
    camera, world_from_camera = sample_camera(OVERHEAD, rng)
    config = replace(OVERHEAD, placement=0.1)
    places = np.array([sample_placement(resting, camera, world_from_camera, config, rng)[:2, 3] for _ in range(1000)])
    for axis in (0, 1):
        assert stats.kstest(places[:, axis], stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01


def test_what_is_too_large_for_the_image_lies_in_its_middle(resting: np.ndarray) -> None:
    rng = np.random.default_rng(10)
    camera, world_from_camera = sample_camera(OVERHEAD, rng)
    placed = sample_placement(resting, camera, world_from_camera, OVERHEAD, rng, radius=0.5)
    np.testing.assert_allclose(placed[:2, 3], 0, atol=1e-12)


def test_in_view_agrees_with_a_projected_ball() -> None:
    rng = np.random.default_rng(11)
    camera = load_camera("primesense")
    surface = trimesh.creation.icosphere(5, 0.1).vertices
    centers = np.concatenate([rng.uniform(-0.6, 0.6, (300, 2)), rng.uniform(0.3, 1.2, (300, 1))], axis=1)
    uv = camera.project(centers[:, None] + surface)
    outside = np.maximum(-0.5 - uv, uv - [639.5, 479.5]).max(axis=(1, 2))  # pixels by which it sticks out
    clear = np.abs(outside) > 0.5  # the tessellated ball is a fraction of a pixel smaller
    np.testing.assert_array_equal(in_view(camera, centers, 0.1)[clear], outside[clear] < 0)


def test_a_config_survives_a_file_and_takes_degrees() -> None:
    config = SceneConfig(camera="primesense", placement=0.1)
    assert parse_config(SceneConfig, config_to_dict(config), "x.yaml") == config
    typed = parse_config(SceneConfig, {"polar_deg": [9, 18], "distance": [0.65, 0.75]}, "x.yaml")
    np.testing.assert_allclose(typed.polar, (0.05 * np.pi, 0.1 * np.pi))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": (0.8, 0.7)}, "distance is"),
        ({"distance": (700.0, 800.0)}, "distance is"),
        ({"polar": (0.0, 9.0)}, "polar is"),
        ({"tilted_share": 1.5}, "tilted_share is 1.5"),
        ({"placement": -0.1}, "placement is"),
        ({"width": 0}, "0x480"),
    ],
)
def test_impossible_configs_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SceneConfig(**change)


def test_impossible_scenes_are_refused(box: Solid) -> None:
    with pytest.raises(InputError, match="1 solids, but 2 poses"):
        Scene((box,), np.stack([np.eye(4)] * 2))
    with pytest.raises(InputError, match="rigid"):
        Scene((box,), 2 * np.eye(4)[None])
    with pytest.raises(InputError, match="at most 255"):
        Scene((box,) * 256, np.stack([np.eye(4)] * 256))
    with pytest.raises(InputError, match="nothing to see"):
        Scene((), np.zeros((0, 4, 4)), table=False)


def test_nothing_is_put_before_a_camera_that_looks_up(resting: np.ndarray) -> None:
    camera = load_camera("primesense")
    with pytest.raises(InputError, match="look down"):
        sample_placement(resting, camera, np.eye(4), SceneConfig(), np.random.default_rng(0))


def test_a_bin_has_the_inner_sizes_and_walls_that_were_asked_for() -> None:
    box = Bin(0.4, 0.3, 0.1, 0.01)
    walls = box.walls().mesh.copy().apply_transform(box.world_from_walls)
    for axis, planes in enumerate([[0.2, 0.21], [0.15, 0.16]]):  # inner and outer faces, on either side of the middle
        np.testing.assert_allclose(np.unique(np.abs(walls.vertices[:, axis]).round(9)), planes)
    np.testing.assert_allclose(walls.bounds, [[-0.21, -0.16, 0], [0.21, 0.16, 0.1]], atol=1e-9)
    assert box.walls().volume == pytest.approx((0.42 * 0.32 - 0.4 * 0.3) * 0.1)
    parts = box.walls().parts
    assert parts is not None
    assert sum(part.volume for part in parts) == pytest.approx(box.walls().volume)
    assert box.walls() is Bin(0.4, 0.3, 0.1, 0.01).walls(), "what renderers built for it serves every image"


def test_a_bin_without_room_is_refused() -> None:
    with pytest.raises(InputError, match="inner_y"):
        Bin(0.4, 0.0, 0.1)
