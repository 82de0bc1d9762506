"""Facts about procedural.py: every family is watertight, convex parts tile it, a seed is a shape."""

import subprocess
import sys

import numpy as np
import pytest
import trimesh
from manifold3d import Manifold, OpType

from graspnet.data_gen.objects.procedural import FAMILIES, make_solid, make_solids
from graspnet.data_gen.objects.unions import manifold_from_mesh
from graspnet.errors import InputError

FINGERPRINT = """
import hashlib
from graspnet.data_gen.objects.procedural import make_solids
digest = hashlib.sha256()
for solid in make_solids(56, seed=5):
    for mesh in (solid.mesh, *(solid.parts or ())):
        digest.update(mesh.vertices.tobytes() + mesh.faces.tobytes())
print(digest.hexdigest())
"""


def test_there_are_at_least_sixteen_families():
    assert len(FAMILIES) >= 16


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_watertight_outward_in_one_piece_of_moderate_size(family):
    for i in range(5):
        solid = make_solid(family, np.random.default_rng([1, i]), "it")
        assert solid.mesh.is_watertight
        assert solid.mesh.is_winding_consistent
        assert solid.volume > 0
        assert solid.notes == ()
        assert len(solid.mesh.faces) <= 1500
        assert 0.05 <= solid.mesh.extents.max() <= 0.1401
        assert len(trimesh.graph.connected_components(solid.mesh.face_adjacency)) == 1
        np.testing.assert_allclose(solid.mesh.center_mass, 0, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_of_a_family_are_convex_and_tile_it(family):
    for i in range(3):
        solid = make_solid(family, np.random.default_rng([2, i]))
        assert solid.parts is not None
        for part in solid.parts:
            assert trimesh.convex.convex_hull(part).volume == pytest.approx(part.volume, rel=1e-4)
        body = manifold_from_mesh(solid.mesh)
        union = Manifold.batch_boolean([manifold_from_mesh(part) for part in solid.parts], OpType.Add)
        assert ((union - body).volume() + (body - union).volume()) < 0.03 * solid.volume


@pytest.mark.parametrize("family", FAMILIES)
def test_two_draws_of_a_family_differ_in_shape(family):
    shapes = [make_solid(family, np.random.default_rng([3, i])) for i in range(2)]
    sizes = [np.sort(shape.mesh.extents) / shape.mesh.extents.max() for shape in shapes]
    fill = [shape.volume / np.prod(shape.mesh.extents) for shape in shapes]
    assert np.abs(sizes[0] - sizes[1]).max() + abs(fill[0] - fill[1]) > 1e-3


def test_families_take_turns_and_an_object_depends_on_its_number_only():
    few, many = make_solids(5, seed=9), make_solids(30, seed=9)
    assert [solid.name for solid in few] == [f"{name}_{i:04d}" for i, name in enumerate(list(FAMILIES)[:5])]
    for a, b in zip(few, many[:5], strict=True):
        np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
    other = make_solids(1, seed=10)[0]
    assert not np.array_equal(other.mesh.vertices, few[0].mesh.vertices)
    assert [solid.name for solid in make_solids(3, 0, ["mug", "gem"])] == ["mug_0000", "gem_0001", "mug_0002"]


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    prints = [
        subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert len(prints[0]) == 65
    assert prints[0] == prints[1]


def test_an_unknown_family_and_a_negative_count_are_refused():
    with pytest.raises(InputError, match=r"unknown family 'mugs'; did you mean 'mug'\?"):
        make_solid("mugs", np.random.default_rng(0))
    with pytest.raises(InputError, match="count is -1"):
        make_solids(-1, 0)
