"""Heaps: everything lies still, on something, in its bin, and no two things share a place."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.stats import chisquare, poisson

from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.procedural import make_solid
from graspnet.data_gen.objects.unions import manifold_from_mesh
from graspnet.data_gen.physics.heaps import DropConfig, Heap, HeapConfig, HeapWorld, draw_bin, draw_count, drop_heap
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.errors import InputError
from graspnet.physics_engine import load_mujoco

BIN = Bin(0.30, 0.24, 0.10)
FAMILIES = ("box", "mug", "cylinder", "bracket", "hammer", "rock", "stool", "tray", "ring", "prism")


def objects(seed: int) -> tuple[Solid, ...]:
    """Ten shapes, concave and round ones too, of 4 to 12 cm."""
    rng = np.random.default_rng(seed)
    shapes = [make_solid(family, rng, family) for family in FAMILIES]
    return tuple(shape.scaled(rng.uniform(0.04, 0.12) / max(shape.mesh.extents)) for shape in shapes)


def placed(solids: tuple[Solid, ...], heap: Heap) -> list[trimesh.Trimesh]:
    meshes = (solids[k].mesh.copy() for k in heap.kept)
    return [mesh.apply_transform(pose) for mesh, pose in zip(meshes, heap.world_from_object, strict=True)]


def shared_volume(one: trimesh.Trimesh, other: trimesh.Trimesh) -> float:
    """Of two bodies, by exact boolean operations."""
    first, second = manifold_from_mesh(one), manifold_from_mesh(other)
    assert first is not None
    assert second is not None
    return float((first ^ second).volume())


@pytest.fixture(scope="module", params=[BIN, None], ids=["bin", "table"])
def bin_(request: pytest.FixtureRequest) -> Bin | None:
    return request.param


@pytest.fixture(scope="module")
def heap(bin_: Bin | None) -> tuple[tuple[Solid, ...], Heap]:
    solids = objects(0)
    return solids, drop_heap(solids, bin_, HeapConfig(), np.random.default_rng(0))


def test_most_objects_stay(heap):
    solids, dropped = heap
    assert len(dropped.kept) >= len(solids) - 1
    assert (np.diff(dropped.kept) > 0).all()


def test_objects_stand_on_the_table_and_do_not_share_a_place(heap, bin_):
    meshes = placed(*heap)
    lowest = [mesh.vertices[:, 2].min() for mesh in meshes]
    assert -0.0005 < min(lowest) < 0.0005
    walls = [] if bin_ is None else [bin_.walls().mesh.copy().apply_transform(bin_.world_from_walls)]
    for i, mesh in enumerate(meshes):
        for other in [*walls, *meshes[:i]]:
            assert shared_volume(mesh, other) < 0.002 * mesh.volume


def test_objects_lie_within_the_walls_or_near_the_centre(heap, bin_):
    _, dropped = heap
    x, y = np.abs(dropped.world_from_object[:, :2, 3]).T
    if bin_ is None:
        assert (np.hypot(x, y) <= HeapConfig().reach).all()
    else:
        assert (x < bin_.inner_x / 2).all()
        assert (y < bin_.inner_y / 2).all()


def test_a_heap_stays_as_it_is(heap, bin_):
    """For another half second, and with half the time step: rest that belongs to no step of the integrator."""
    solids, dropped = heap
    kept = tuple(solids[k] for k in dropped.kept)
    world = HeapWorld(kept, bin_, HeapConfig(time_step=0.002))
    for k, pose in enumerate(dropped.world_from_object):
        world.place(k, pose)
    for _ in range(250):
        load_mujoco().mj_step(world.model, world.data)
    for solid, before, after in zip(kept, dropped.world_from_object, world.world_from_objects, strict=True):
        moved = trimesh.transform_points(solid.mesh.vertices, after) - trimesh.transform_points(
            solid.mesh.vertices, before
        )
        assert np.linalg.norm(moved, axis=1).max() < 0.004


def test_the_same_generator_drops_the_same_heap_and_another_one_another(heap, bin_):
    solids, dropped = heap
    again = drop_heap(solids, bin_, HeapConfig(), np.random.default_rng(0))
    np.testing.assert_array_equal(dropped.kept, again.kept)
    np.testing.assert_array_equal(dropped.world_from_object, again.world_from_object)
    other = drop_heap(solids, bin_, HeapConfig(), np.random.default_rng(1))
    assert not np.array_equal(dropped.world_from_object, other.world_from_object)


def test_what_falls_out_is_left_out():
    """A bin no larger than the objects, and no higher than a coin, holds only some of them."""
    solids = objects(1)
    dropped = drop_heap(solids, Bin(0.05, 0.05, 0.002), HeapConfig(drops=1), np.random.default_rng(0))
    assert len(dropped.kept) < len(solids)
    assert (np.abs(dropped.world_from_object[:, :2, 3]) <= 0.025).all()


def test_what_rolls_away_from_the_table_s_middle_is_left_out():
    ball = solid_from_mesh(trimesh.creation.icosphere(4, 0.02), "ball")
    dropped = drop_heap((ball,) * 3, None, DropConfig(drops=2), np.random.default_rng(0), reach=1e-6)
    assert len(dropped.kept) == 0
    assert dropped.world_from_object.shape == (0, 4, 4)


def test_a_dropped_box_falls_as_galilei_says():
    """Its lowest point is let go 0.2 m above the table: z = 0.2 − g t²/2 before it lands."""
    box = solid_from_mesh(trimesh.creation.box((0.04, 0.03, 0.02)), "box")
    world = HeapWorld((box,), None, HeapConfig(drop_time=0.1))
    world.drop(0, 0.1, np.random.default_rng(0))
    mesh = box.mesh.copy().apply_transform(world.world_from_objects[0])
    assert mesh.vertices[:, 2].min() == pytest.approx(0.2 - 9.81 * 0.1**2 / 2, abs=0.002)


def test_what_was_not_dropped_hangs_where_it_is():
    solids = objects(2)
    world = HeapWorld(solids, BIN, HeapConfig())
    before = world.world_from_objects[1:].copy()
    world.drop(0, 0.1, np.random.default_rng(0))
    world.rest(2.0)
    np.testing.assert_allclose(world.world_from_objects[1:], before, atol=1e-9)


def test_after_a_step_that_diverged_there_is_a_warning_and_nothing_counts_as_lying_in_the_bin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solids = objects(2)[:2]
    world = HeapWorld(solids, BIN, HeapConfig())
    world.drop(0, 0.1, np.random.default_rng(0))
    assert not world.outside()[0]
    world.data.qvel[0] = np.nan
    with pytest.warns(RuntimeWarning, match="MuJoCo: .*unstable"):
        world.rest(2.0)
    assert world.outside().all()
    assert not list(tmp_path.iterdir()), "MuJoCo's own log"


def test_objects_that_lie_in_each_other_are_found():
    box = solid_from_mesh(trimesh.creation.box((0.04, 0.04, 0.04)), "box")
    world = HeapWorld((box, box, box), None, HeapConfig())
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = [[0, 0, 0.02], [0.03, 0, 0.02], [0.2, 0, 0.02]]
    for k, pose in enumerate(poses):
        world.place(k, pose)
    load_mujoco().mj_forward(world.model, world.data)
    np.testing.assert_array_equal(world.overlapping(), [True, True, False])


def test_numbers_of_objects_are_poisson_within_their_range():
    rng = np.random.default_rng(0)
    config = HeapConfig()
    counts = np.bincount([draw_count(config, rng) for _ in range(1500)], minlength=16)
    assert counts[0] == 0
    assert len(counts) == 16, "none beyond 15"
    expected = poisson(5).pmf(np.arange(1, 10))
    assert chisquare(counts[1:10], expected / expected.sum() * counts[1:10].sum()).pvalue > 0.01
    uniform = np.bincount([draw_count(replace(config, mean_objects=None), rng) for _ in range(1000)])[1:]
    assert chisquare(uniform).pvalue > 0.01


def test_bins_are_drawn_from_their_ranges_and_a_share_of_heaps_has_none():
    rng = np.random.default_rng(0)
    config = DropConfig()
    bins = [draw_bin(config, rng, share=0.7) for _ in range(1000)]
    some = [b for b in bins if b is not None]
    assert abs(len(some) / 1000 - 0.7) < 0.05
    for name, limits in (("inner_x", config.bin_x), ("inner_y", config.bin_y), ("wall_height", config.wall_height)):
        values = [getattr(b, name) for b in some]
        assert limits[0] <= min(values) < max(values) <= limits[1]


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="objects is"):
        HeapConfig(objects=(0, 3))
    with pytest.raises(InputError, match="mean_objects"):
        HeapConfig(mean_objects=20.0)
    with pytest.raises(InputError, match="bin_x"):
        HeapConfig(bin_x=(0.3, 0.2))
    with pytest.raises(InputError, match="drop_height"):
        HeapConfig(drop_height=0.0)
