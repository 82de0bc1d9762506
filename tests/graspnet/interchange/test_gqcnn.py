"""Original GQ-CNNs: their checkpoints are read without TensorFlow, and the networks compute what the originals did.

The oracle is written from the graph in `model.ckpt.meta`: Conv2D without padding, bias, maximum with 0, MaxPool of 2,
all with channels last; two inputs of the merging layer; softmax. It computes in double precision.
"""

import shutil
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import graspnet as gn
from graspnet.cli import main
from graspnet.errors import InputError
from graspnet.interchange.gqcnn_import import read_gqcnn
from graspnet.interchange.tensor_bundle import read_bundle
from graspnet.models.checkpoint import save_checkpoint
from graspnet.policies.model_range import range_warnings
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal

MODELS = ("GQCNN-4.0-PJ", "gqcnn_example_pj")
SUCTION, DENSE = "GQCNN-4.0-SUCTION", "FC-GQCNN-4.0-PJ"


@pytest.fixture(scope="module")
def models(shared_data) -> Path:
    return shared_data / "gqcnn_models"


def convolved(images: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(N, H, W, C) by (k, k, C, D), unpadded: TensorFlow's Conv2D is a correlation."""
    k = weights.shape[0]
    windows = (np.lib.stride_tricks.sliding_window_view(image, (k, k), axis=(0, 1)) for image in images)
    return np.stack([np.tensordot(window, weights, axes=([3, 4, 2], [0, 1, 2])) + bias for window in windows])


def pooled(images: np.ndarray) -> np.ndarray:
    n, h, w, c = images.shape
    return images.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def image_stream(tensors: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """The features behind fc3 of normalised crops (N, 96, 96)."""
    x = images[..., None]
    for name, pools in (("conv1_1", False), ("conv1_2", True), ("conv2_1", False), ("conv2_2", True)):
        layer = f"im_stream/{name}/{name}"
        x = np.maximum(convolved(x, tensors[f"{layer}_weights"], tensors[f"{layer}_bias"]), 0)
        x = pooled(x) if pools else x
    return np.maximum(x.reshape(len(x), -1) @ tensors["im_stream/fc3_weights"] + tensors["im_stream/fc3_bias"], 0)


def original(folder: Path, images: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Logits of the original network for crops (N, 96, 96) in metres and poses (N, 1 or 2): depths, and angles."""
    tensors = {name: array.astype(np.float64) for name, array in read_bundle(folder / "model.ckpt").items()}
    scale = {name: np.load(folder / f"{name}.npy") for name in ("im_mean", "im_std", "pose_mean", "pose_std")}
    x = image_stream(tensors, (images - scale["im_mean"]) / scale["im_std"])
    z = (pose - scale["pose_mean"]) / scale["pose_std"]
    z = np.maximum(z @ tensors["pose_stream/pc1_weights"] + tensors["pose_stream/pc1_bias"], 0)
    merged = x @ tensors["merge_stream/fc4_input_1_weights"] + z @ tensors["merge_stream/fc4_input_2_weights"]
    merged = np.maximum(merged + tensors["merge_stream/fc4_bias"], 0)
    return merged @ tensors["merge_stream/fc5_weights"] + tensors["merge_stream/fc5_bias"]


@pytest.fixture(scope="module")
def real_image(shared_data) -> tuple[gn.Observation, gn.Grasps]:
    """A real image, and 100 antipodal grasps in it whose origins project to whole pixels."""
    folder = shared_data / "real_depth" / "single_primesense"
    depth = np.load(folder / "depth_0.npy")[..., 0]
    camera = gn.load_camera(next((shared_data / "real_depth" / "calib").rglob("primesense*.intr")))
    seen = gn.Observation(depth.astype(np.float32), camera, gn.load_gripper("yumi"))
    grasps = sample_antipodal(seen, 100, AntipodalSamplerConfig(), np.random.default_rng(0))
    poses = grasps.poses.copy()
    poses[:, :3, 3] = camera.deproject(np.rint(camera.project(grasps.origin)), grasps.origin[:, 2])
    return seen, gn.Grasps.of_jaws(poses, np.full(len(poses), 0.05))


@pytest.fixture(scope="module")
def real_crops(real_image, models) -> tuple[np.ndarray, np.ndarray]:
    """The crops of these grasps, as the imported network cuts them; and the grasps' depths."""
    seen, grasps = real_image
    crops = gn.crop(seen, grasps, read_gqcnn(models / "GQCNN-4.0-PJ").crop)
    return crops.images.numpy(), crops.pose.numpy()


@pytest.mark.parametrize("name", [*MODELS, SUCTION])
def test_an_imported_network_computes_what_the_original_graph_says(models, name, real_crops):
    images, pose = real_crops
    assert len(images) == 100
    if name == SUCTION:  # the second number is the angle of the approach
        pose = np.concatenate([pose, np.linspace(-1, 1, 100, dtype=np.float32)[:, None]], axis=1)
    assert images.min() > 0  # the sensor left nothing out; what is missing is treated in another way, as docs say
    network = read_gqcnn(models / name).network
    with torch.inference_mode():
        ours = network(torch.from_numpy(images), torch.from_numpy(pose)).numpy()
    theirs = original(models / name, images[:, 0].astype(np.float64), pose.astype(np.float64))
    assert np.ptp(theirs[:, 1] - theirs[:, 0]) > 1  # the grasps are not all alike to it
    softmax = [1 / (1 + np.exp(logits[:, 0] - logits[:, 1])) for logits in (ours, theirs)]
    np.testing.assert_allclose(*softmax, atol=1e-5)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_fully_convolutional_network_computes_what_the_original_graph_says(models, real_image):
    """On crops that are not turned, minus the grasp's depth, in the bin whose centre π/2 − (i + ½) π/16 is nearest."""
    seen, grasps = real_image
    imported = read_gqcnn(models / DENSE)
    crops = gn.crop(seen, grasps, imported.crop)
    with torch.inference_mode():
        ours = imported.network(crops.images, crops.pose).numpy()
    tensors = {name: array.astype(np.float64) for name, array in read_bundle(models / DENSE / "model.ckpt").items()}
    mean, deviation = (np.load(models / DENSE / f"im_depth_sub_{name}.npy") for name in ("mean", "std"))
    image, uv = np.asarray(seen.depth, dtype=np.float64), seen.camera.project(grasps.origin)
    first = np.rint(uv).astype(int) - 48
    cut = np.stack([image[v : v + 96, u : u + 96] for u, v in first])
    x = image_stream(tensors, (cut - grasps.origin[:, 2, None, None] - mean) / deviation)
    for layer in ("fc4", "fc5"):
        x = x @ tensors[f"im_stream/{layer}_weights"] + tensors[f"im_stream/{layer}_bias"]
        x = np.maximum(x, 0) if layer == "fc4" else x
    closing = seen.camera.project(grasps.origin + 1e-4 * grasps.closing) - uv
    centers = np.pi / 2 - (np.arange(16) + 0.5) * np.pi / 16
    away = np.arctan2(closing[:, 1], closing[:, 0])[:, None] - centers
    chosen = np.abs(np.remainder(away + np.pi / 2, np.pi) - np.pi / 2).argmin(1)
    theirs = x.reshape(len(x), 16, 2)[np.arange(len(x)), chosen]
    assert len(np.unique(chosen)) > 8
    assert np.ptp(theirs[:, 1] - theirs[:, 0]) > 1
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "count"), [("GQCNN-4.0-PJ", 631_410), (SUCTION, 631_426), (DENSE, 633_200)])
def test_the_numbers_of_weights_are_those_that_were_published(models, name, count):
    assert read_gqcnn(models / name).network.parameter_count() == count


def test_a_network_for_suction_cups_is_imported_and_plans_no_parallel_jaw(models, tmp_path):
    save_checkpoint(read_gqcnn(models / SUCTION), tmp_path)
    loaded = gn.load_model(str(tmp_path))
    assert (loaded.name, loaded.gripper_name) == ("gqcnn_4.0_suction", "suction")
    with pytest.raises(InputError, match=r"network gqcnn_4\.0_suction takes 2 pose numbers.*suction cups"):
        gn.load_policy("ranking", str(tmp_path))


def test_a_plan_is_warned_of_cameras_and_hands_that_the_originals_were_not_trained_for(models):
    """Depths within two deviations of the mean, which the folder's files hold: 0.7556 and 0.0689 m."""
    details = read_gqcnn(models / "GQCNN-4.0-PJ").details
    assert details["camera"]["distance"] == pytest.approx([0.6178, 0.8935], abs=1e-4)
    depth = np.full((240, 320), 1.4, np.float32)
    depth[105:135, 150:165] = 1.36
    far = gn.Observation(depth, gn.Camera(525.0, 525.0, 159.5, 119.5, 320, 240), gn.load_gripper("panda"))
    warnings = range_warnings(details, far)
    assert any("1.36 m from the camera" in w and "0.62 to 0.89 m" in w for w in warnings)
    assert any("the hand opens to 80 mm" in w for w in warnings)


def test_the_grasps_pixel_is_cell_48_of_96(models):
    """A bright pixel at the grasp's centre appears in the cell that the originals cut it into."""
    camera = gn.Camera(525.0, 525.0, 150.0, 110.0, 320, 240)
    depth = np.full((240, 320), 0.7, np.float32)
    depth[100, 140] = 0.6
    pose = np.eye(4)
    pose[:3, 3] = camera.deproject(np.array([140.0, 100.0]), np.array(0.7))
    pose[:3, :3] = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]])  # the closing axis along +u
    grasp = gn.Grasps.of_jaws(pose[None], np.array([0.05]))
    seen = gn.Observation(depth, camera, gn.load_gripper("yumi"))
    image = gn.crop(seen, grasp, read_gqcnn(models / "GQCNN-4.0-PJ").crop).images[0, 0]
    assert np.unravel_index(int(image.argmin()), image.shape) == (48, 48)
    assert image[48, 48] == pytest.approx(0.6)


def test_the_command_makes_a_model_that_plans(models, tmp_path):
    done = CliRunner().invoke(main, ["import", "gqcnn", str(models / MODELS[0]), "--output", str(tmp_path / "model")])
    assert done.exit_code == 0, done.output
    assert "631410 parameters" in done.output
    depth = np.full((240, 320), 0.7, np.float32)
    depth[105:135, 150:165] = 0.66
    camera = gn.Camera(525.0, 525.0, 159.5, 119.5, 320, 240)
    plan = gn.plan(
        depth, camera, gn.load_gripper("yumi"), model=str(tmp_path / "model"), policy="ranking", min_quality=0.0
    )
    assert len(plan)
    again = CliRunner().invoke(main, ["import", "gqcnn", str(models / MODELS[0]), "--output", str(tmp_path / "model")])
    assert again.exit_code == 2
    assert "exists and is not empty" in again.output


def test_a_fully_convolutional_network_for_suction_cups_is_refused_with_the_reason(models):
    with pytest.raises(InputError, match=r"fully convolutional network \(FC-GQ-CNN\) for suction cups"):
        read_gqcnn(models / "FC-GQCNN-4.0-SUCTION")


# Damaged files


@pytest.fixture
def copy(models, tmp_path) -> Path:
    shutil.copytree(models / "gqcnn_example_pj", tmp_path / "copy")
    return tmp_path / "copy"


def test_a_gripper_that_nobody_knows_is_refused(copy):
    path = copy / "config.json"
    path.write_text(path.read_text().replace('"parallel_jaw"', '"magnet"'))
    with pytest.raises(InputError, match="gripper_mode is 'magnet'; known are parallel_jaw, suction"):
        read_gqcnn(copy)


@pytest.mark.parametrize(
    "missing", ["config.json", "model.ckpt.index", "model.ckpt.data-00000-of-00001", "im_mean.npy"]
)
def test_a_missing_file_is_named(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(InputError, match=missing.replace(".", r"\.")):
        read_gqcnn(copy)


def test_a_changed_weight_is_found_by_its_checksum(copy):
    path = copy / "model.ckpt.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"conv1_1_.*checksum does not fit"):
        read_gqcnn(copy)


def test_a_truncated_data_file_is_found(copy):
    path = copy / "model.ckpt.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated or changed"):
        read_gqcnn(copy)


@given(content=st.binary(max_size=200), tail=st.booleans())
def test_any_bytes_as_an_index_are_refused_or_hold_nothing(tmp_path_factory, content, tail):
    folder = tmp_path_factory.mktemp("bytes")
    end = struct.pack("<Q", 0xDB4775248B80FB57) if tail else b""
    (folder / "model.ckpt.index").write_bytes(content + end)
    (folder / "model.ckpt.data-00000-of-00001").write_bytes(b"")
    with suppress(InputError):  # and nothing else may come out
        assert read_bundle(folder / "model.ckpt") == {}
