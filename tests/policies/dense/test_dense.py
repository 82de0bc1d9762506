"""Facts about the dense pass: it says what the crops say, finds what a search finds, refuses what does not slide."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import graspnet as gn
from graspnet.crops.crops import grasp_crops
from graspnet.errors import InputError
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.models import CompactConfig, PublishedConfig, new_network
from graspnet.models.dense import DenseForm
from graspnet.models.network import predict
from graspnet.policies.constraints import ConstraintConfig, Constraints
from graspnet.policies.dense.dense import DensePolicy
from graspnet.policies.dense.grid import DenseConfig, dense_qualities, grid_of
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality
from tests.places import SHARED

BLOCKS = (((0.06, 0.03, 0.04), (0.0, 0.0), 0.4), ((0.04, 0.04, 0.06), (0.09, 0.03), 0.1))


WHOLE = DenseConfig()
OPEN = DenseConfig(openings=(1.0,))


@pytest.fixture(scope="module")
def shipped() -> NetworkQuality:
    return NetworkQuality(gn.load_model("parallel_jaw"))


def dense_and_crops(observation, quality, config=WHOLE, standoff=0.0):
    """Qualities of the whole grid by one pass, and of its grasps by their crops."""
    space, network = GraspSpace.of(observation), quality.checkpoint.network
    form = DenseForm(network)
    grid = grid_of(Constraints(space, ConstraintConfig()), form, config, standoff)
    some = np.sort(np.random.default_rng(0).permutation(len(grid.grasps))[:1200])
    chosen = replace(grid, window=grid.window[some], standoff=grid.standoff[some], grasps=grid.grasps[some])
    assert np.abs(chosen.standoff).max() <= standoff * space.w + 1e-9
    sizes = np.repeat(observation.gripper.sizes()[None], len(chosen.grasps), axis=0)
    crops = grasp_crops(observation, chosen.grasps.poses, sizes, network.crop, chosen.standoff)
    one_by_one = quality.checkpoint.quality(predict(network, [crops])).double().numpy()
    return dense_qualities(space, quality, form, chosen), one_by_one


@pytest.mark.parametrize("standoff", [0.0, 0.25])
@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_each_cell_says_what_its_crop_says(box_scene, shipped, tilt, standoff):
    observation = box_scene(*BLOCKS, tilt=tilt, noise=0.001)
    holes = np.random.default_rng(1).random(observation.depth.shape) < 0.01
    observation = replace(observation, depth=np.where(holes, np.float32(np.nan), observation.depth))
    dense, crops = dense_and_crops(observation, shipped, standoff=standoff)
    assert len(dense) > 500
    assert np.quantile(np.abs(dense - crops), 0.97) < 1e-4
    # a cell of the map whose share is at a threshold may count in one and not in the other, and that cell is seen
    assert np.abs(dense - crops).max() < 0.02
    assert np.ptp(dense) > 0.5


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared depth images")
def test_each_cell_of_a_real_heap_says_what_its_crop_says(shipped):
    folder = SHARED / "real_depth" / "clutter_phoxi"
    depth, mask = read_depth(Path(folder / "depth_0.npy")), read_mask(Path(folder / "segmask_0.png"))
    observation = gn.Observation(depth, gn.load_camera("phoxi"), gn.load_gripper("yumi"), mask)
    dense, crops = dense_and_crops(observation, shipped, DenseConfig(angles=5, heights=4))
    assert len(dense) > 300
    assert np.quantile(np.abs(dense - crops), 0.97) < 1e-4


def test_with_a_standoff_the_same_grasps_need_fewer_large_crops(box_scene, shipped):
    """At 0.25 of the opening on either side, four heights that are 0.15 apart share a large crop."""
    constraints = Constraints(GraspSpace.of(box_scene(*BLOCKS)), ConstraintConfig())
    form = DenseForm(shipped.checkpoint.network)
    each, shared = (grid_of(constraints, form, WHOLE, standoff) for standoff in (0.0, 0.25))
    np.testing.assert_array_equal(shared.grasps.poses, each.grasps.poses)
    np.testing.assert_allclose(shared.height[shared.window[:, 0]] - shared.standoff, each.height[each.window[:, 0]])
    assert not each.standoff.any()
    assert len(shared.height) == 12 * -(-len(each.height) // 12 // 4)
    assert np.abs(shared.standoff).max() <= 0.25 * 0.05 + 1e-9


def test_all_windows_are_those_that_are_asked_for_one_by_one():
    network = new_network(CompactConfig(residual=True, blocks=2), torch.Generator().manual_seed(0)).eval()
    form, generator = DenseForm(network), torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, 76, 84, generator=generator)
    rows, columns = form.windows(76, 84)
    assert (rows, columns) == (4, 6)
    pose = torch.randn(2, rows, columns, 11, generator=generator)
    with torch.inference_mode():
        everywhere = form.logits(images, pose)
        features = form.features(images)
        for image, row, column in ((0, 0, 0), (1, 3, 5), (1, 2, 4)):
            window = torch.tensor([[image, row, column]])
            at = network.merged(form.image_features_at(features, window), pose[image, row, column][None])
            crop = images[image : image + 1, :, 4 * row : 4 * row + 64, 4 * column : 4 * column + 64]
            expected = network(crop, pose[image, row, column][None])
            torch.testing.assert_close(at, expected, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(everywhere[image, row, column][None], expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="an image of 60 x 84 holds no window of 64 x 64"):
        form.windows(60, 84)


def test_a_dense_plan_is_as_good_as_a_search(box_scene, shipped):
    observation = box_scene(*BLOCKS, noise=0.001)
    dense = DensePolicy(DenseConfig(), shipped).plan(observation, np.random.default_rng(0))
    searched = gn.load_policy("cross_entropy", model=shipped).plan(observation, np.random.default_rng(0))
    assert dense.best.quality > searched.best.quality - 0.03
    assert set(dense.seconds) == {"dense", "total"}
    grid, pairs, _ = dense.generations
    assert len(grid[0]) > 500 > len(pairs[0]) > 10
    assert Constraints(GraspSpace.of(observation), ConstraintConfig()).feasible(dense.grasps_in_camera).all()
    again = DensePolicy(DenseConfig(), shipped).plan(observation, np.random.default_rng(0))
    np.testing.assert_array_equal(again.grasps_in_camera.poses, dense.grasps_in_camera.poses)


def test_the_grid_holds_only_what_the_arm_reaches_and_counts_the_rest(box_scene, shipped):
    """An arm that reaches the right half: no cell of the left is judged, so that none takes an elite's place."""
    everywhere = box_scene(*BLOCKS)
    reached = replace(everywhere, feasible=lambda poses: poses[:, 0, 3] > 0)
    form, grids, refusals = DenseForm(shipped.checkpoint.network), [], []
    for observation in (everywhere, reached):
        constraints = Constraints(GraspSpace.of(observation), ConstraintConfig())
        grids.append(grid_of(constraints, form, OPEN))
        refusals.append(constraints.refusals.counts["out of the arm's reach"])
    right = grids[0].grasps.origin[:, 0] > 0
    np.testing.assert_array_equal(grids[1].window, grids[0].window[right])
    assert 0 < right.sum() < len(right)
    assert refusals == [0, (~right).sum()]


def test_between_neighbours_the_hand_is_less_open_and_elsewhere_as_wide_as_it_may(box_scene, shipped):
    """A bar between two higher ones, 0.02 m away on either side: a hand that is 0.05 m open lands on these."""
    bars = [((0.08, 0.015, height), (0.0, y), 0.0) for y, height in ((-0.035, 0.06), (0.0, 0.04), (0.035, 0.06))]
    space = GraspSpace.of(box_scene(*bars))
    form = DenseForm(shipped.checkpoint.network)
    wide, both = (grid_of(Constraints(space, ConstraintConfig()), form, config) for config in (OPEN, WHOLE))

    def of_the_middle(grid):
        across = np.abs(grid.grasps.closing[:, 1]) > 0.9
        return across & (np.abs(grid.grasps.origin[:, 1]) < 0.006) & (np.abs(grid.grasps.origin[:, 0]) < 0.03)

    assert not of_the_middle(wide).any()
    assert of_the_middle(both).any()
    np.testing.assert_allclose(both.grasps.width[of_the_middle(both)], 0.03)
    assert (both.grasps.width == 0.05).sum() == len(wide.grasps)


def test_nothing_to_grasp_is_said(box_scene, shipped):
    flat = replace(box_scene(BLOCKS[0], masked=False), depth=np.full((480, 640), 0.7, np.float32))
    plan = DensePolicy(DenseConfig(), shipped).plan(flat, np.random.default_rng(0))
    assert plan.reason.startswith("no object")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PublishedConfig(kind="gqcnn_2.0"), "its convolutions are padded"),
        (PublishedConfig(kind="fcgqcnn_4.0_pj"), "dense as it is"),
        (CompactConfig(pose_correction=True), "moves each crop by itself"),
        (CompactConfig(crop=replace(CompactConfig().crop, fine_window=1.2)), "another pitch"),
    ],
)
def test_a_network_that_does_not_slide_is_refused(config, message):
    with pytest.raises(InputError, match=message):
        DenseForm(new_network(config, torch.Generator().manual_seed(0)))


def test_a_mean_over_mirror_images_does_not_slide(shipped):
    mirrored = NetworkQuality(replace(shipped.checkpoint, flip_average=True))
    with pytest.raises(InputError, match=r"mirror images \(flip_average\), which does not slide"):
        DensePolicy(DenseConfig(), mirrored)


def test_where_no_cell_of_the_grid_is_feasible_pairs_are_planned(box_scene, shipped):
    """A sliver between the cells: its mask holds no cell's middle."""
    observation = box_scene(((0.06, 0.004, 0.04), (0.0, 0.0), 0.0))
    plan = DensePolicy(DenseConfig(angles=1), shipped).plan(observation, np.random.default_rng(0))
    assert len(plan)


def test_a_function_cannot_be_slid():
    with pytest.raises(InputError, match="it needs a network, not a function"):
        gn.load_policy("dense", model=lambda observation, grasps: np.zeros(len(grasps)))
    with pytest.raises(InputError, match="heights 0"):
        DenseConfig(heights=0)
    with pytest.raises(InputError, match=r"openings is \[1.0, 1.5\]"):
        DenseConfig(openings=(1.0, 1.5))
