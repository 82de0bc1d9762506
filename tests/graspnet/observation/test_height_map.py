"""Facts about the height map: Open3D casts rays at the same mesh, and spheres, steps and walls have closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graspnet.camera import Camera
from graspnet.errors import InputError
from graspnet.observation.height_map import DepthView, HeightMap, map_axes, shared_approaches
from graspnet.transforms import frame_from_axes, invert, perpendicular_to, rigid, unit
from tests.box_scenes import CAMERA, looking_down, render

SMALL = Camera(100.0, 120.0, 39.5, 29.5, 80, 60)
DOWN = np.array([0.0, 0.0, 1.0])


def cast_along(view: DepthView, height_map: HeightMap) -> np.ndarray:
    """Heights by Open3D: a ray along the approach through each cell, onto the triangles between all pixels."""
    import open3d

    rows, columns = view.depth.shape
    vertices = height_map.coordinates(view.camera.deproject_image(view.depth)).reshape(-1, 3)
    number = np.arange(rows * columns).reshape(rows, columns)
    upper = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, :-1]], axis=-1).reshape(-1, 3)
    lower = np.stack([number[1:, 1:], number[:-1, 1:], number[1:, :-1]], axis=-1).reshape(-1, 3)
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(vertices.astype(np.float32), np.concatenate([upper, lower]).astype(np.uint32))
    xy = height_map.cell_places()
    start = np.concatenate([xy, np.ones((*xy.shape[:2], 1)), np.zeros_like(xy), -np.ones((*xy.shape[:2], 1))], axis=-1)
    return 1.0 - scene.cast_rays(start.astype(np.float32))["t_hit"].numpy()


@pytest.mark.parametrize("approach", [(0.0, 0.0, 1.0), (0.3, 0.5, 0.7), (0.0, 0.9, 0.5), (-0.8, 0.1, 0.4)])
def test_every_cell_has_the_height_that_open3d_s_rays_meet(approach):
    rng = np.random.default_rng(0)
    depth = (0.5 + 0.001 * np.cumsum(rng.standard_normal((60, 80)), axis=1)).astype(np.float32)
    depth[20:40, 30:50] -= np.float32(0.06)
    view = DepthView(depth, SMALL)
    height_map = view.height_map(np.array(approach), 0.0033)
    cast = cast_along(view, height_map)
    np.testing.assert_array_equal(np.isfinite(cast), np.isfinite(height_map.height))
    seen = np.isfinite(cast)
    assert seen.sum() > 3000
    np.testing.assert_allclose(height_map.height[seen], cast[seen], atol=1e-5)
    assert 0.3 < height_map.measured[seen].mean() < 1.0


@pytest.mark.parametrize("tilt", [0.0, np.deg2rad(30), np.deg2rad(55)])
def test_a_sphere_has_its_closed_form_height_wherever_it_was_measured(tilt):
    """Radius 5 cm, centre 0.6 m away: h = h_c + √(r² − d²), d from the line along the approach through the centre."""
    center, radius = np.array([0.02, -0.01, 0.6]), 0.05
    rays = CAMERA.rays(CAMERA.pixel_grid())
    along, squared = rays @ center, (rays**2).sum(axis=-1)
    inside = along**2 - squared * (center @ center - radius**2)
    with np.errstate(invalid="ignore"):
        depth = np.where(inside > 0, (along - np.sqrt(inside)) / squared, np.nan).astype(np.float32)
    height_map = DepthView(depth, CAMERA).height_map(np.array([0.0, np.sin(tilt), np.cos(tilt)]), 0.001)
    x, y, middle = height_map.coordinates(center)
    distance = np.linalg.norm(height_map.cell_places() - [x, y], axis=-1)
    inner = height_map.measured & (distance < 0.8 * radius)
    assert inner.sum() > 1000
    expected = middle + np.sqrt(radius**2 - distance[inner] ** 2)
    np.testing.assert_allclose(height_map.height[inner], expected, atol=1e-4)  # a chord of 1.2 mm sags by 4e-6 / slope


@pytest.mark.parametrize("degrees", [30, 45, 60])
def test_the_curtain_of_a_wall_falls_by_one_over_the_tangent_of_the_viewing_angle(degrees):
    """A bar 4 cm high, seen from far away at an angle α to the vertical: its shadow is 4 cm · tan α long."""
    alpha = np.deg2rad(degrees)
    camera = Camera(8000.0, 8000.0, 319.5, 239.5, 640, 480)  # 10 m away: rays are parallel to within 3°
    world_from_camera = looking_down(10.0, alpha)
    depth, _ = render([((0.6, 0.02, 0.04), (0.0, 0.0), 0.0)], camera, world_from_camera)
    down = invert(world_from_camera)[:3, :3] @ np.array([0.0, 0.0, -1.0])
    height_map = DepthView(depth, camera).height_map(down, 0.001)
    in_camera = invert(world_from_camera)
    behind = np.stack([np.zeros(30), 0.01 + 0.04 * np.tan(alpha) * np.linspace(0.1, 0.9, 30), np.zeros(30)], axis=1)
    behind_in_map = height_map.coordinates(behind @ in_camera[:3, :3].T + in_camera[:3, 3])
    column, row = np.rint(height_map.cells(behind_in_map[:, :2])).astype(int).T
    table = height_map.coordinates(in_camera[:3, 3])[2]
    assert not height_map.measured[row, column].any()
    fallen = 0.04 - (height_map.height[row, column] - table)
    np.testing.assert_allclose(fallen, (behind[:, 1] - 0.01) / np.tan(alpha), atol=0.0025)  # a cell or two of 1 mm


def test_a_gap_in_the_image_is_unknown_not_free():
    depth, _ = render([((0.06, 0.06, 0.04), (0.0, 0.0), 0.0)], CAMERA, looking_down(0.7))
    depth[:, 335:365] = np.nan  # over the block's right edge, 40 mm wide
    height_map = DepthView(depth, CAMERA).height_map(DOWN, 0.001)
    column, row = np.rint(height_map.cells(np.array([[0.035, 0.0], [0.045, 0.0], [0.0, 0.0]]))).astype(int).T
    np.testing.assert_array_equal(height_map.measured[row, column], [False, False, True])
    first, second, top = height_map.height[row, column] + 0.7
    assert top == pytest.approx(0.04, abs=1e-5)
    assert 0.04 > first > second > 0.0  # the curtain falls from the block to the table


def test_what_two_cameras_see_together_hides_less_than_what_each_hides():
    block = ((0.06, 0.06, 0.05), (0.0, 0.0), 0.0)
    views = []
    for tilt in (-0.7, 0.7):
        world_from_camera = looking_down(0.7, tilt)
        depth, mask = render([block], CAMERA, world_from_camera)
        views.append(DepthView(depth, CAMERA, mask, world_from_camera))
    bounds = np.array([[-0.1, -0.1], [0.1, 0.1]])
    alone = [HeightMap.of([view], -DOWN, 0.001, bounds) for view in views]
    both = HeightMap.of(views, -DOWN, 0.001, bounds)
    np.testing.assert_array_equal(both.frame_from_camera, views[0].frame_from_camera)
    np.testing.assert_array_equal(both.measured, alone[0].measured | alone[1].measured)
    np.testing.assert_array_equal(both.on_object, alone[0].on_object | alone[1].on_object)
    assert both.measured.mean() > max(each.measured.mean() for each in alone) + 0.05
    x, y = np.moveaxis(both.cell_places(), -1, 0)
    top = (abs(x) < 0.028) & (abs(y) < 0.028)
    np.testing.assert_allclose(both.height[top], 0.05, atol=1e-5)
    hidden = ~both.measured & ~alone[0].measured & ~alone[1].measured
    lowest = np.minimum(*(each.height for each in alone))
    np.testing.assert_array_equal(both.height[hidden], lowest[hidden])


def test_maps_with_other_bounds_have_the_same_cells():
    depth, mask = render([((0.06, 0.06, 0.04), (0.0, 0.0), 0.3)], CAMERA, looking_down(0.7, 0.4))
    view, approach = DepthView(depth, CAMERA, mask), np.array([0.0, 0.3, 0.9])
    whole = view.height_map(approach, 0.0013)
    part = HeightMap.of([view], approach, 0.0013, np.array([[-0.05, -0.06], [0.07, 0.04]]))
    top, left = part.first_row - whole.first_row, part.first_column - whole.first_column
    rows, columns = slice(top, top + part.height.shape[0]), slice(left, left + part.height.shape[1])
    for name in ("height", "measured", "on_object"):
        np.testing.assert_array_equal(getattr(whole, name)[rows, columns], getattr(part, name), err_msg=name)


@pytest.mark.parametrize("focal", [525.0, 2100.0])
def test_an_image_that_is_finer_than_the_map_is_averaged_not_picked_from(focal):
    """White noise of 2 mm: at a quarter of the pitch, sixteen pixels share a cell, whose noise falls to a quarter."""
    camera = Camera(focal, focal, 199.5, 199.5, 400, 400)
    depth = 0.7 + 0.002 * np.random.default_rng(0).standard_normal((400, 400))
    height_map = DepthView(depth.astype(np.float32), camera).height_map(DOWN, 0.0013)
    noise = height_map.height[5:-5, 5:-5].std()
    assert noise < (0.0021 if focal < 1000 else 0.0009)


@settings(max_examples=50, deadline=None)
@given(vector=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_the_axes_are_a_rotation_whose_third_column_is_the_approach_whatever_it_is(vector):
    axes = map_axes(np.array(vector))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    np.testing.assert_allclose(axes[:, 2], unit(np.array(vector)), atol=2e-3)  # six decimals of x and y alone
    np.testing.assert_array_equal(map_axes(axes[:, 2])[:, 2], axes[:, 2])  # rounding again changes nothing


def test_grasps_are_grouped_by_their_approach():
    approaches = unit(np.array([[0.0, 0.1, 1.0], [0.0, 0.0, 1.0], [0.0, 0.1, 1.0]]))
    poses = rigid(frame_from_axes(approaches, perpendicular_to(approaches)), np.zeros((3, 3)))
    groups = shared_approaches(poses)
    assert sorted(rows.tolist() for _, rows in groups) == [[0, 2], [1]]
    assert shared_approaches(poses[:0]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": []}, "a map needs a view"),
        ({"pitch": 0.0}, "a positive pitch"),
        ({"approach": np.array([1.0, 0.0, 0.1])}, "84° off the camera's axis; a map needs at most 75°"),
        ({"bounds": np.array([[-100.0, -100.0], [100.0, 100.0]])}, "extends over 200.00 x 200.00 m, too far for a map"),
        ({"views": [DepthView(np.ones((3, 4), np.float32), SMALL)]}, "depth image is 4x3; the camera says 80x60"),
    ],
)
def test_what_makes_no_map_is_refused(change, message):
    good = {
        "views": [DepthView(np.full((60, 80), 0.5, np.float32), SMALL)], "approach": DOWN, "pitch": 0.002,
        "bounds": None,
    }  # fmt: skip
    HeightMap.of(**good)
    with pytest.raises(InputError, match=message):
        HeightMap.of(**(good | change))


def test_an_image_without_a_measured_pixel_is_a_map_of_nothing():
    height_map = DepthView(np.full((60, 80), np.nan, np.float32), SMALL).height_map(DOWN, 0.002)
    assert not height_map.measured.any()
    assert np.isinf(height_map.height).all()
