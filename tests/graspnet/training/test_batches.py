"""Every example once an epoch, with its own label, and the same bytes however they were prepared."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from graspnet.config import load_config, preset_names
from graspnet.crops.crops import grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.crops.pixel import PixelCropConfig
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.observation.height_map import DepthView
from graspnet.sim_eval.planners.ceilings import LABEL as CEILING_LABEL
from graspnet.training.augmentation import AugmentationConfig
from graspnet.training.batches import BatchConfig, Batches, evaluation_crops
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.label import LabelConfig
from graspnet.training.trainer import TrainConfig

CROP = NETWORKS["compact"].config.crop
PLAIN = AugmentationConfig(flip=False, depth_offset=0.0)


@pytest.fixture(scope="module")
def examples(bars):
    return load_examples(bars, "train", CROP, LabelConfig())


@pytest.fixture(scope="module")
def batches(examples):
    return Batches(examples, CROP, LabelConfig(), BatchConfig(size=20, pool=48, sensor="dexnet"), seed=3)


@pytest.mark.parametrize(
    "crop",
    [
        MetricCropConfig(window=0.8, size=16),
        MetricCropConfig(window=0.8, size=5),  # 2.3 mm a pixel, 8 mm a cell: the source is halved twice
        PixelCropConfig(window_px=20, size=16),
    ],
)
def test_a_window_gives_the_crops_of_the_whole_image(bars, crop):
    """Windows start at multiples of 8, so that halving pairs the same pixels in both."""
    windowed = load_examples(bars, "train", crop, LabelConfig())
    whole = next(bars.shards("train")).images
    for i in range(4):
        image = windowed[i]
        assert image.depth.size < 0.7 * whole.depth[i].size
        of_window, of_whole = DepthView(image.depth, image.camera), DepthView(whole.depth[i], whole.cameras[i])
        from_window, from_whole = (
            grasp_crops(view, image.camera_from_grasp, image.sizes, crop) for view in (of_window, of_whole)
        )
        torch.testing.assert_close(from_window.images, from_whole.images, rtol=0, atol=2e-5)
        assert torch.equal(from_window.pose, from_whole.pose)


def test_every_example_comes_once_an_epoch_with_its_own_target_and_image(examples):
    """Without noise and augmentation a batch's crop is one of the evaluation's, to the bit."""
    config = BatchConfig(size=20, pool=48, sensor="ideal", augmentation=PLAIN)
    seen = {}
    for batch in Batches(examples, CROP, LabelConfig(), config, seed=0).stream(0, 10):
        for image, pose, target, of in zip(batch.images, batch.pose, batch.target, batch.image, strict=True):
            seen.setdefault(_key(image, pose), []).append((float(target), int(of)))
    expected = {}
    crops = evaluation_crops(examples, CROP, config, 0)
    for image, part in zip(examples, crops, strict=True):
        for row in range(len(image)):
            key = _key(part.images[row], part.pose[row])
            expected.setdefault(key, []).append((float(np.float32(image.robustness[row])), image.number))
    assert {key: sorted(values) for key, values in seen.items()} == expected
    assert len(expected) == 192


def test_batches_have_the_asked_size_but_for_an_epochs_last(batches):
    assert batches.steps_per_epoch == 10
    sizes = [len(batch) for batch in batches.stream(0, 20)]
    assert sizes == 2 * ([20] * 9 + [12])


def test_any_number_of_workers_and_any_repetition_give_the_same_bytes(batches):
    first = list(batches.stream(0, 12))
    for workers in (1, 3):
        again = replace(batches, config=replace(batches.config, workers=workers)).stream(0, 12)
        assert all(_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("step", [1, 4, 9, 10, 13])
def test_a_stream_from_a_later_step_is_the_rest_of_the_whole(batches, step):
    whole = list(batches.stream(0, 16))
    rest = list(batches.stream(step, 16))
    assert len(rest) == 16 - step
    assert all(_equal(a, b) for a, b in zip(whole[step:], rest, strict=True))


def test_epochs_differ_in_order_noise_and_augmentation(batches):
    first, second = (next(batches.stream(step, step + 1)) for step in (0, 10))
    assert not torch.equal(first.target, second.target)
    assert not set(map(_bytes, first.images)) & set(map(_bytes, second.images))


def test_seeds_differ(batches):
    other = replace(batches, seed=4)
    assert not _equal(next(batches.stream(0, 1)), next(other.stream(0, 1)))


def test_a_small_pool_mixes_no_less_than_whole_images(examples):
    config = BatchConfig(size=8, pool=1, sensor="ideal")
    batch_list = list(Batches(examples, CROP, LabelConfig(), config, seed=0).stream(0, 24))
    assert sum(map(len, batch_list)) == 192


def test_evaluation_crops_are_noisy_and_the_same_every_time(examples):
    config = BatchConfig(sensor="dexnet")
    first, again = (next(evaluation_crops(examples, CROP, config, 0)) for _ in range(2))
    assert torch.equal(first.images, again.images)
    clean = next(evaluation_crops(examples, CROP, replace(config, sensor="ideal"), 0))
    assert not torch.equal(first.images, clean.images)


def test_an_error_in_a_preparing_thread_reaches_the_caller(examples):
    broken = ExampleSet.of([replace(examples[0], sizes=-examples[0].sizes)])
    with pytest.raises(InputError, match="size of the gripper"):
        next(Batches(broken, CROP, LabelConfig(), BatchConfig(), seed=0).stream(0, 1))


def test_leaving_a_stream_early_stops_its_threads(batches):
    import threading

    before = threading.active_count()
    stream = batches.stream(0, 20)
    list(islice(stream, 2))
    stream.close()
    assert threading.active_count() == before


def test_an_unknown_metric_names_those_that_exist(bars):
    existing = "it has robust_centered_closure, robust_pad_closure: label.metric=robust_centered_closure"
    with pytest.raises(InputError, match=f"no metric 'robust_epsilon' to make the label of; {existing}"):
        load_examples(bars, "train", CROP, LabelConfig(metric="robust_epsilon", soft=False))


def test_the_default_label_is_the_analytic_one_that_predicts_lifts_best_everywhere():
    assert LabelConfig().metric == GenerateConfig().metrics[0] == CEILING_LABEL == "robust_centered_closure"
    for name in preset_names("train"):
        if not name.startswith(("gqcnn", "fcgqcnn", "outcomes", "scale")):  # published, or reported
            assert load_config(TrainConfig, "train", name).label == LabelConfig()
    for name in preset_names("generate"):
        assert "robust_centered_closure" in load_config(GenerateConfig, "generate", name).metrics


def test_an_unknown_split_is_refused(bars):
    with pytest.raises(InputError, match="no split 'test'"):
        load_examples(bars, "test", CROP, LabelConfig())


def test_epsilon_is_no_soft_label():
    with pytest.raises(InputError, match=r"label\.soft=false"):
        LabelConfig(metric="robust_epsilon")


@pytest.mark.parametrize("metric", ["robust_force_closure", "robust_centered_closure", "physics_hold"])
def test_a_chance_is_a_soft_label_as_it_is(metric):
    assert LabelConfig(metric=metric).target(np.array([0.25])).tolist() == [0.25]


def test_hard_targets_are_0_and_1():
    robustness = np.array([0.0, 0.5, 0.51, 1.0])
    assert LabelConfig(soft=False).target(robustness).tolist() == [0, 0, 1, 1]
    assert LabelConfig().target(robustness).tolist() == robustness.tolist()


def _key(image, pose):
    return _bytes(image) + _bytes(pose)


def _bytes(tensor):
    return tensor.contiguous().numpy().tobytes()


def _equal(a, b):
    return torch.equal(a.images, b.images) and torch.equal(a.pose, b.pose) and torch.equal(a.target, b.target)


def test_with_a_standoff_half_of_the_crops_are_cut_above_or_below_their_grasps(examples):
    """The pose numbers say where; a crop cut there by itself is the same."""
    plain = replace(PLAIN, standoff=0.25)
    config = BatchConfig(size=400, pool=400, sensor="ideal", augmentation=plain)
    batch = next(Batches(examples, CROP, LabelConfig(), config, seed=0).stream(0, 1))
    standoff = batch.pose[:, 7].double().numpy()
    assert 0.35 < np.mean(standoff == 0) < 0.65
    assert 0.2 < np.abs(standoff).max() <= 0.25
    for image in examples:
        view, poses = DepthView(image.depth, image.camera), image.camera_from_grasp
        width = np.asarray(image.sizes[:, 0], dtype=np.float64)
        for row in np.flatnonzero(batch.image.numpy() == image.number):
            cut = grasp_crops(view, poses, image.sizes, CROP, standoff[row] * width)
            same = torch.isclose(cut.images, batch.images[row], atol=1e-5).float().mean(dim=(1, 2, 3))
            assert same.max() > 0.99  # of the cells: an edge of the map may fall to either side of a rounding
