"""A checkpoint comes back as it was, or one line says what is wrong with it."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


@pytest.fixture
def checkpoint():
    network = NETWORKS["compact"](torch.Generator().manual_seed(7))
    network.fit_normalisation(torch.rand(6, 2, 64, 64), torch.rand(6, 11))
    details = {"dataset": {"name": "made up"}}
    return Checkpoint(network, "compact", "yumi", "robust_force_closure", 0.5, 1.3, details, True, -0.25)


@pytest.fixture
def folder(checkpoint, tmp_path):
    save_checkpoint(checkpoint, tmp_path / "model")
    return tmp_path / "model"


def test_the_loaded_network_gives_the_same_logits_to_the_bit(checkpoint, folder):
    images, pose = torch.rand(3, 2, 64, 64), torch.rand(3, 11)
    assert torch.equal(load_checkpoint(folder).network(images, pose), checkpoint.network(images, pose))


def test_everything_besides_the_weights_comes_back(checkpoint, folder):
    loaded = load_checkpoint(folder)
    for name in (
        "name",
        "gripper_name",
        "metric",
        "threshold",
        "temperature",
        "details",
        "crop",
        "flip_average",
        "bias",
    ):
        assert getattr(loaded, name) == getattr(checkpoint, name)


@pytest.mark.parametrize(("told", "standoff"), [({}, 0.0), ({"standoff": 0.25}, 0.25)])
def test_a_checkpoint_says_how_far_from_its_grasps_crops_were_cut(checkpoint, tmp_path, told, standoff):
    save_checkpoint(replace(checkpoint, details=told), tmp_path)
    assert load_checkpoint(tmp_path).standoff == standoff


@pytest.mark.parametrize("standoff", ["far", True, -0.1, 7, float("nan"), None])
def test_a_standoff_that_is_no_share_is_refused(checkpoint, tmp_path, standoff):
    save_checkpoint(checkpoint, tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    record["details"]["standoff"] = standoff
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"details\.standoff is .*expected a number in \[0, 1\]"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_is_two_files_and_below_2_megabytes(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    assert (folder / "model.safetensors").stat().st_size < 2e6


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_is_rebuilt_from_its_record(name, tmp_path):
    network = NETWORKS[name](torch.Generator().manual_seed(1))
    save_checkpoint(Checkpoint(network, name, "yumi", "robust_epsilon", 0.002), tmp_path)
    assert load_checkpoint(tmp_path).network.config == network.config


def test_quality_is_the_sigmoid_of_the_logits_difference_over_the_temperature_plus_the_bias(checkpoint):
    logits = torch.tensor([[0.0, 2.6], [1.0, 1.0]])
    expected = torch.tensor([1 / (1 + torch.e**-1.75), 1 / (1 + torch.e**0.25)])
    torch.testing.assert_close(checkpoint.quality(logits), expected)


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"model\.safetensors: truncated .*copy the model's folder again"):
        load_checkpoint(folder)


def test_missing_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        load_checkpoint(folder)


def test_the_weights_of_another_training_are_refused(folder):
    network = NETWORKS["compact"](torch.Generator().manual_seed(8))
    save_file(network.state_dict(), folder / "model.safetensors")
    with pytest.raises(InputError, match=r"not the weights that model\.json was written with"):
        load_checkpoint(folder)


def test_the_weights_of_another_network_are_refused(folder):
    save_file(NETWORKS["gqcnn_4.0_pj"]().state_dict(), folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.json asks for"):
        load_checkpoint(folder)


def test_weights_that_are_not_finite_are_refused(checkpoint, tmp_path):
    checkpoint.network.output.bias.data[0] = torch.nan
    save_checkpoint(checkpoint, tmp_path)
    with pytest.raises(InputError, match=r"output\.bias holds values that are not finite"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 of the format"),
        ({"network": "compactt"}, "did you mean 'compact'"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"temperature": 10**400}, "temperature is 1000.*must be positive, and at most"),
        ({"temperature": True}, "key 'temperature' is True"),
        ({"flip_average": 1}, "key 'flip_average' is 1; expected true or false"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"weights": None}, "key 'weights' is None"),
        ({"config": {"image_featuers": 3}}, "did you mean 'image_features'"),
        ({"config": {"crop": {"kind": "metric", "size": 64, "window": 3.0}}}, "crops of version 1; .* train it again"),
    ],
)
def test_a_record_with_a_fault_is_refused(folder, changes, message):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"image_features": 10**11},  # 10¹⁵ weights
        {"channels": [10**6, 10**6, 10**6, 10**6]},
        {"channels": [10**30, 1, 1, 1]},
        {"crop": {"kind": "metric", "version": 2, "size": 4 * 10**7, "window": 3.0}},
    ],
)
def test_a_record_that_asks_for_more_than_any_memory_is_refused_before_there_is_a_network(folder, config):
    path = folder / "model.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"config": record["config"] | config}))
    with pytest.raises(InputError, match=r"model\.json asks for|no network is of these sizes"):
        load_checkpoint(folder)


def rewritten(folder, change):
    """The model with its weights changed, and a checksum that vouches for them."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    record = json.loads((folder / "model.json").read_text())
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(record | {"weights": checksum}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"output.bias": t["output.bias"].double()}), r"output\.bias is float64 \(2,\), .* float32"),
        (lambda t: t.update({"output.bias": t["output.bias"].to(torch.int8)}), r"output\.bias is int8"),
        (
            lambda t: t.update({"../../x": torch.zeros(1)}),
            r"\.\./\.\./x is float32 \(1,\), model\.json asks for absent",
        ),
        (lambda t: t.pop("output.bias"), r"output\.bias is absent"),
    ],
)
def test_weights_of_another_type_or_name_are_refused_whoever_vouches_for_them(folder, change, message):
    rewritten(folder, change)
    with pytest.raises(InputError, match=message):
        load_checkpoint(folder)


def test_a_network_that_is_a_path_is_no_network(folder):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"network": "../../compact"}))
    with pytest.raises(InputError, match=r"unknown network '\.\./\.\./compact'"):
        load_checkpoint(folder)


def test_a_truncated_record_is_refused(folder):
    path = folder / "model.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match=r"model\.json: not JSON"):
        load_checkpoint(folder)


def test_neither_folder_nor_name_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load_checkpoint(tmp_path / "nothing")
    with pytest.raises(InputError, match="unknown model 'parallel_jar'"):
        load_checkpoint("parallel_jar")
    with pytest.raises(InputError, match=r"model\.json: no such file"):
        load_checkpoint(tmp_path)


def test_buffers_travel_with_the_weights(checkpoint, folder):
    stored = load_file(folder / "model.safetensors")
    assert torch.equal(stored["pose_mean"], checkpoint.network.pose_mean)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"version": 1, "version": 1}'])
def test_a_record_that_nests_without_an_end_or_says_a_thing_twice_is_refused(folder, text):
    (folder / "model.json").write_text(text)
    with pytest.raises(
        InputError, match=r"model\.json: not JSON \((it is nested too deeply|key 'version' is given twice)"
    ):
        load_checkpoint(folder)
