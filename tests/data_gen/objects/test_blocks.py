"""Facts about blocks.py: the blocks hold the solid, are convex, and leave its large hollows open."""

import numpy as np
import trimesh

from graspnet.data_gen.objects.blocks import MOST_BLOCKS, blocks_of


def test_a_convex_solid_is_one_block():
    (block,) = blocks_of(trimesh.creation.box((0.02, 0.03, 0.04)))
    np.testing.assert_allclose(block.volume, 0.02 * 0.03 * 0.04, rtol=1e-6)


def test_a_u_of_three_bars_takes_few_blocks_that_fill_no_more_than_it():
    bars = [((0, 0, 0), (0.06, 0.02, 0.01)), ((0, 0, 0), (0.01, 0.02, 0.05)), ((0.05, 0, 0), (0.06, 0.02, 0.05))]
    u = trimesh.boolean.union([trimesh.creation.box(bounds=bar) for bar in bars], engine="manifold")
    blocks = blocks_of(u)
    assert len(blocks) < MOST_BLOCKS
    union = trimesh.boolean.union(blocks, engine="manifold")
    assert u.volume * (1 - 1e-6) <= union.volume <= 1.02 * u.volume


def test_the_blocks_of_a_hollow_ball_hold_its_shell_and_leave_it_hollow():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.05)
    hollow = trimesh.creation.icosphere(subdivisions=4, radius=0.046)
    hollow.invert()
    shell = trimesh.util.concatenate([ball, hollow])
    blocks = blocks_of(shell)
    assert len(blocks) <= MOST_BLOCKS + 1  # the last one that is halved may fall apart
    on_surface, _ = trimesh.sample.sample_surface(shell, 500, seed=0)
    assert np.any([within(block, on_surface) for block in blocks], axis=0).all()
    assert all(block.is_convex for block in blocks)
    assert not any(within(block, np.zeros((1, 3)))[0] for block in blocks)


def within(block: trimesh.Trimesh, points: np.ndarray) -> np.ndarray:
    """Behind all of a convex block's facets, to a micrometre."""
    offsets = np.sum(block.face_normals * block.triangles[:, 0], axis=1)
    return np.all(points @ block.face_normals.T <= offsets + 1e-6, axis=1)
