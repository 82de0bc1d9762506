"""Clean depth against closed forms, and two renderers that share no code against each other."""

from collections.abc import Iterator

import numpy as np
import pytest
import trimesh
from scipy import ndimage
from scipy.spatial.transform import Rotation

from graspnet.camera import Camera
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.scenes import rendering
from graspnet.data_gen.scenes.rendering import RENDERERS, RaycastRenderer, Renderer
from graspnet.data_gen.scenes.scenes import Bin, Scene, SceneConfig, sample_camera
from graspnet.errors import InputError
from graspnet.transforms import rigid

# Odd numbers, so that no swapped axis and no half pixel hides in a symmetry.
CAMERA = Camera(205.3, 197.9, 83.2, 57.7, 160, 120)
DOWN = np.diag([1.0, -1.0, -1.0, 1.0])  # a camera's axes in the world when it looks straight down


@pytest.fixture(scope="module", params=RENDERERS)
def renderer(request: pytest.FixtureRequest) -> Iterator[Renderer]:
    with RENDERERS[request.param]() as made:
        yield made


@pytest.fixture(scope="module")
def ball() -> Solid:
    return solid_from_mesh(trimesh.creation.icosphere(5, 0.04), "ball")


@pytest.fixture(scope="module")
def box() -> Solid:
    return solid_from_mesh(trimesh.creation.box((0.10, 0.06, 0.04)), "box")


def above(height: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    pose = DOWN.copy()
    pose[:3, 3] = x, y, height
    return pose


def at(*position: float) -> np.ndarray:
    return rigid(np.eye(3), np.array(position))


def tilted_view(seed: int) -> np.ndarray:
    config = SceneConfig(tilted_share=1.0)
    return sample_camera(config, np.random.default_rng(seed))[1]


def sphere_depth(center_in_camera: np.ndarray, radius: float) -> np.ndarray:
    """z of the nearer intersection of each pixel's ray with a sphere; NaN where it passes by."""
    rays = CAMERA.rays(CAMERA.pixel_grid())
    a = np.sum(rays**2, axis=-1)
    b = rays @ center_in_camera
    with np.errstate(invalid="ignore"):
        return (b - np.sqrt(b**2 - a * (center_in_camera @ center_in_camera - radius**2))) / a


def test_a_sphere_has_its_closed_form_depth_at_every_pixel_centre(renderer: Renderer, ball: Solid) -> None:
    """The mesh lies between the sphere through its vertices and the one that touches its faces: so must its depth."""
    world_from_camera = above(0.6, 0.03, -0.02)
    image = renderer.render(Scene((ball,), at(0, 0, 0.04)[None], table=False), CAMERA, world_from_camera)
    center = np.array([-0.03, -0.02, 0.56])
    outer = np.linalg.norm(ball.mesh.vertices, axis=1).max()
    inner = np.sum(ball.mesh.triangles_center * ball.mesh.face_normals, axis=1).min()
    near, far = sphere_depth(center, outer), sphere_depth(center, inner)
    inside = np.isfinite(far)
    assert inside.sum() > 500
    # A 24-bit z buffer from 0.05 to 10 m resolves 0.4 µm at 0.6 m, but pyrender turns it into metres with float32.
    tolerance = 1e-6 if isinstance(renderer, RaycastRenderer) else 1.5e-5
    assert (image.depth[inside] >= near[inside] - tolerance).all()
    assert (image.depth[inside] <= far[inside] + tolerance).all()
    assert np.isnan(image.depth[np.isnan(near)]).all()
    np.testing.assert_array_equal(image.instance == 1, np.isfinite(image.depth))


def test_a_tilted_table_has_its_closed_form_depth(renderer: Renderer) -> None:
    world_from_camera = tilted_view(0)
    image = renderer.render(Scene((), np.zeros((0, 4, 4))), CAMERA, world_from_camera)
    rays_in_world = CAMERA.rays(CAMERA.pixel_grid()) @ world_from_camera[:3, :3].T
    np.testing.assert_allclose(image.depth, -world_from_camera[2, 3] / rays_in_world[..., 2], atol=2e-5)
    assert not image.instance.any()


def test_the_top_of_a_box_covers_the_pixels_whose_centres_it_covers(renderer: Renderer, box: Solid) -> None:
    image = renderer.render(Scene((box,), at(0.011, 0.007, 0.02)[None]), CAMERA, above(0.6))
    uv = CAMERA.pixel_grid()
    x, y, _ = np.moveaxis(CAMERA.deproject(uv, np.full(uv.shape[:2], 0.56)), -1, 0)
    top = (np.abs(x - 0.011) < 0.05) & (np.abs(-y - 0.007) < 0.03)
    np.testing.assert_array_equal(np.abs(image.depth - 0.56) < 1e-4, top)
    assert (image.instance[top] == 1).all()


def test_instances_hide_each_other_and_are_numbered_in_order(renderer: Renderer, box: Solid, ball: Solid) -> None:
    poses = np.stack([at(0, 0, 0.02), at(0, 0, 0.08), at(0.12, 0, 0.02)])
    image = renderer.render(Scene((box, ball, box), poses), CAMERA, above(0.6))
    assert set(np.unique(image.instance)) == {0, 1, 2, 3}
    u, v = np.rint(CAMERA.project(np.array([0.0, 0.0, 0.48]))).astype(int)
    assert image.instance[v, u] == 2  # the ball on the box
    assert abs(image.depth[v, u] - 0.48) < 5e-5
    above_table = 0.6 - image.depth
    assert (above_table[image.instance == 0] < 2e-5).all()
    assert (above_table[image.instance == 3] > 0).all()


def test_a_window_shows_what_the_whole_image_shows_there(renderer: Renderer, box: Solid) -> None:
    scene = Scene((box,), at(0, 0, 0.02)[None])
    world_from_camera = tilted_view(1)
    whole = renderer.render(scene, CAMERA, world_from_camera)
    part = renderer.render(scene, CAMERA.window(60, 30, 50, 40), world_from_camera)
    np.testing.assert_allclose(part.depth, whole.depth[30:70, 60:110], atol=2e-5)
    np.testing.assert_array_equal(part.instance, whole.instance[30:70, 60:110])


def test_nothing_is_seen_behind_the_camera_or_towards_the_sky(renderer: Renderer, box: Solid) -> None:
    level = rigid(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([0.0, 0.0, 0.3]))  # looks along +y
    image = renderer.render(Scene((box,), at(0, -0.5, 0.3)[None]), CAMERA, level)
    assert not image.instance.any()
    assert np.isnan(image.depth[: int(CAMERA.cy)]).all()
    assert np.isfinite(image.depth[-1]).all()


def test_both_renderers_agree() -> None:
    """Within 0.5 mm on 99 % of pixels away from silhouettes. Seven kinds of bodies, partly beside the image."""
    rng = np.random.default_rng(3)
    meshes = [
        trimesh.creation.annulus(0.02, 0.05, 0.03),
        trimesh.creation.capsule(0.08, 0.02),
        trimesh.creation.cone(0.03, 0.08),
        trimesh.creation.torus(0.04, 0.012),
        trimesh.creation.icosahedron().apply_scale(0.04),
        trimesh.creation.box((0.2, 0.01, 0.05)),
        trimesh.creation.cylinder(0.02, 0.1),
    ]
    solids = tuple(solid_from_mesh(mesh, f"solid {i}") for i, mesh in enumerate(meshes))
    with RENDERERS["raycast"]() as raycast, RENDERERS["raster"]() as raster:
        for _ in range(5):
            positions = np.column_stack([rng.uniform(-0.15, 0.15, (7, 2)), rng.uniform(0, 0.1, 7)])
            scene = Scene(solids, rigid(Rotation.random(7, rng=rng).as_matrix(), positions))
            camera, world_from_camera = sample_camera(SceneConfig(), rng)
            cast = raycast.render(scene, camera, world_from_camera)
            drawn = raster.render(scene, camera, world_from_camera)
            silhouette = ndimage.morphological_gradient(cast.instance, size=3) > 0
            error = np.abs(cast.depth - drawn.depth)[~silhouette]
            assert np.mean(error < 0.0005) > 0.99
            assert np.mean(error < 0.00005) > 0.99  # what they reach: the goal would pass half a pixel's shift
            assert np.mean(cast.instance != drawn.instance) < 0.001


def test_both_renderers_agree_about_a_bin(box: Solid) -> None:
    """Seen from above and aslant, once from so far aside that a wall's outer face shows; a box lies in it."""
    scene = Scene((box,), at(0.05, -0.03, 0.02)[None], bin=Bin(0.3, 0.24, 0.1))
    aside = rigid(Rotation.from_euler("xz", [-130, 20], degrees=True).as_matrix(), np.array([0.15, -0.5, 0.45]))
    with RENDERERS["raycast"]() as raycast, RENDERERS["raster"]() as raster:
        for world_from_camera in (above(0.6), tilted_view(2), aside):
            cast, drawn = (r.render(scene, CAMERA, world_from_camera) for r in (raycast, raster))
            edge = ndimage.morphological_gradient(np.nan_to_num(cast.depth), size=3) > 0.01
            error = np.abs(cast.depth - drawn.depth)[~edge]
            assert np.mean(error < 0.00005) > 0.99
            assert np.mean(cast.instance != drawn.instance) < 0.001


def test_a_bin_s_walls_are_seen_as_no_object_and_hide_what_is_behind_them(renderer: Renderer, box: Solid) -> None:
    """From above the rim is 0.1 m nearer than the floor, at the pixels where it stands; from aside a wall is opaque."""
    bin_ = Bin(0.2, 0.16, 0.1, 0.01)
    scene = Scene((box,), at(0, 0, 0.02)[None], bin=bin_)
    image = renderer.render(scene, CAMERA, above(0.6))
    uv = CAMERA.pixel_grid()
    x, y, _ = np.moveaxis(CAMERA.deproject(uv, np.full(uv.shape[:2], 0.5)), -1, 0)
    outside = (np.abs(x) <= 0.11) & (np.abs(y) <= 0.09)
    rim = outside & ~((np.abs(x) < 0.1) & (np.abs(y) < 0.08))
    np.testing.assert_array_equal(np.abs(image.depth - 0.5) < 1e-4, rim)
    assert (image.instance[rim] == 0).all()
    level = rigid(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([0.0, -0.5, 0.03]))  # looks along +y
    image = renderer.render(scene, CAMERA, level)
    assert not image.instance.any()
    np.testing.assert_allclose(image.depth[int(CAMERA.cy), int(CAMERA.cx)], 0.41, atol=2e-5)


def test_an_object_that_reaches_behind_the_camera_is_seen_alike() -> None:
    post = solid_from_mesh(trimesh.creation.box((0.02, 0.04, 1.0)), "post")  # beside the camera and past it
    scene = Scene((post,), at(0.1, 0, 0.3)[None], table=False)
    with RENDERERS["raycast"]() as raycast, RENDERERS["raster"]() as raster:
        cast, drawn = (r.render(scene, CAMERA, above(0.3)) for r in (raycast, raster))
    assert np.isfinite(cast.depth).sum() > 300
    np.testing.assert_array_equal(np.isfinite(cast.depth), np.isfinite(drawn.depth))
    assert np.nanmax(np.abs(cast.depth - drawn.depth)) < 5e-5


def test_closing_one_renderer_leaves_another_at_work(box: Solid) -> None:
    scene = Scene((box,), at(0, 0, 0.02)[None])
    with RENDERERS["raster"]() as first:
        with RENDERERS["raster"]() as second:
            second.render(scene, CAMERA, above(0.6))
        assert first.render(scene, CAMERA, above(0.6)).instance.any()
        first.close()  # twice is no harm


def test_one_hierarchy_serves_all_poses_and_views(box: Solid, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = rendering.raycasting_scene
    monkeypatch.setattr(rendering, "raycasting_scene", lambda mesh: built.append(mesh) or build(mesh))
    renderer = RaycastRenderer()
    for height in (0.5, 0.6):
        renderer.render(Scene((box, box), np.stack([at(0, 0, 0.02), at(0.1, 0, 0.02)])), CAMERA, above(height))
    assert len(built) == 1


def test_nonsense_is_refused(renderer: Renderer, box: Solid) -> None:
    scene = Scene((box,), at(0, 0, 0.02)[None])
    with pytest.raises(InputError, match="rigid"):
        renderer.render(scene, CAMERA, 2 * above(0.6))
    with pytest.raises(InputError, match="rigid"):
        renderer.render(scene, CAMERA, np.full((4, 4), np.nan))
    with pytest.raises(InputError, match="the table is at 0"):
        renderer.render(scene, CAMERA, above(-0.6))
