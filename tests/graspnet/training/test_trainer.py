"""Training learns what can be learnt, nothing else, and goes on where it was stopped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.config import load_config, preset_names
from graspnet.crops.metric import MetricCropConfig
from graspnet.errors import InputError
from graspnet.models import NETWORKS, CompactConfig, PublishedConfig
from graspnet.models.checkpoint import load_checkpoint
from graspnet.models.network import GraspNetwork, predict
from graspnet.run.processes import ALONE
from graspnet.training.batches import Batch, BatchConfig, Batches, evaluation_crops
from graspnet.training.device_probe import Computing, find_fastest, loss_of, placed
from graspnet.training.divergence import LossWatch
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.losses import LossConfig
from graspnet.training.optimiser import OptimiserConfig, make_optimiser, take_step
from graspnet.training.resume import TrainingState, load_state, save_state
from graspnet.training.trainer import TrainConfig, train

from .conftest import write_bars

FIXED = {"device": "cpu", "precision": "float32", "threads": 1}
QUICK = TrainConfig(epochs=6, batches=BatchConfig(size=32, pool=64, sensor="ideal"), **FIXED)
CPU = Computing("cpu", "float32", 1)


@pytest.fixture(scope="module")
def trained(bars, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "model"
    return train(QUICK, bars, folder), folder


def test_it_learns_to_close_across_a_bar_it_has_not_seen(trained):
    result, _ = trained
    assert result.evaluation.examples == 96
    assert result.evaluation.positive_rate == pytest.approx(0.5)
    assert result.evaluation.roc_auc > 0.98
    assert result.evaluation.feasible_average_precision > 0.98


def test_a_network_that_learns_its_labels_factors_ranks_as_well(bars, tmp_path):
    config = replace(QUICK, network=CompactConfig(factors="product"), loss=LossConfig(factor_weight=0.5))
    result = train(config, bars, tmp_path / "model")
    assert result.evaluation.roc_auc > 0.98
    assert load_checkpoint(tmp_path / "model").network.config.factors == "product"


def test_a_model_says_how_far_from_its_grasps_its_crops_were_cut(bars, tmp_path):
    batches = replace(QUICK.batches, augmentation=replace(QUICK.batches.augmentation, standoff=0.2))
    train(replace(QUICK, epochs=1, batches=batches), bars, tmp_path / "model")
    assert load_checkpoint(tmp_path / "model").standoff == 0.2
    with pytest.raises(InputError, match="a crop in pixels has no reference height"):
        TrainConfig(network=PublishedConfig(kind="gqcnn_2.0"), batches=batches)


def test_factors_that_nobody_learns_or_nobody_says_are_refused():
    with pytest.raises(InputError, match=r"learns nothing of them: loss\.factor_weight=0\.5"):
        TrainConfig(network=CompactConfig(factors="auxiliary"))
    with pytest.raises(InputError, match=r"needs a network that says its factors: network\.factors=product"):
        TrainConfig(loss=LossConfig(factor_weight=0.5))


def test_shuffled_labels_do_not_generalise(tmp_path):
    """AUC of a guess on 256 validation grasps: ½ ± 0.036; the bound is three of these away."""
    dataset = write_bars(tmp_path / "shuffled", train=6, validation=8, shuffled=True)
    result = train(QUICK, dataset, tmp_path / "model")
    assert abs(result.evaluation.roc_auc - 0.5) < 0.11


def test_compact_overfits_256_examples():
    network = NETWORKS["compact"](torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    batch = Batch(  # noise without any rule: only memory helps
        torch.rand(256, 2, 64, 64, generator=rng),
        torch.rand(256, 11, generator=rng),
        (torch.rand(256, generator=rng) < 0.5).float(),
        torch.arange(256),
        torch.full((256, 2), -1.0),
    )
    network.fit_normalisation(batch.images, batch.pose)
    optimiser = make_optimiser(network, OptimiserConfig(rate=1e-3))
    for _ in range(30):
        for rows in np.arange(256).reshape(4, 64):
            optimiser.zero_grad()
            loss_of(network, batch.take(rows), CPU).backward()
            optimiser.step()
    right = network(batch.images, batch.pose).argmax(1) == batch.target
    assert right.float().mean() > 0.98


def test_the_checkpoint_on_disk_gives_the_printed_figures(trained, bars):
    result, folder = trained
    checkpoint = load_checkpoint(folder)
    examples = load_examples(bars, "validation", checkpoint.crop, QUICK.label)
    logits = predict(checkpoint.network, evaluation_crops(examples, checkpoint.crop, QUICK.batches, QUICK.seed)).numpy()
    odds = np.float64(logits[:, 1]) - logits[:, 0]
    quality = 1 / (1 + np.exp(-odds / checkpoint.temperature))
    robustness = np.concatenate([image.robustness for image in examples])
    assert np.mean((quality > 0.5) == (robustness > 0.5)) == result.evaluation.accuracy
    assert np.mean((quality - robustness) ** 2) == pytest.approx(result.evaluation.brier)


def test_a_finished_training_leaves_model_figures_and_logs_only(trained):
    _, folder = trained
    assert sorted(path.name for path in folder.iterdir()) == ["logs", "metrics.json", "model.json", "model.safetensors"]
    figures = json.loads((folder / "metrics.json").read_text())
    assert [record["epoch"] for record in figures["history"]] == [1, 2, 3, 4, 5, 6]
    assert figures["history"][-1]["loss"] < figures["history"][0]["loss"]
    details = json.loads((folder / "model.json").read_text())["details"]
    assert json.loads((folder / "model.json").read_text())["gripper"] == "yumi"
    assert details["grippers"]["max_width"] == [0.05, 0.05]
    assert details["grippers"]["palm"] == [[0.04, 0.072, 0.06], [0.04, 0.072, 0.06]]
    openings = {"finger_length": 0.9, "finger_thickness": 0.2, "finger_breadth": 0.4, "pad_to_tip": 0.2}  # of 50 mm
    palm = details["grippers_in_openings"].pop("palm")
    assert palm == [pytest.approx([0.8, 1.44, 1.2])] * 2
    assert details["grippers_in_openings"] == {name: pytest.approx([size] * 2) for name, size in openings.items()}
    assert details["objects"] == {}  # the dataset's config is empty: nobody says how objects were scaled
    assert details["camera"]["focal_length_px"] == [220.0, 220.0]
    assert details["camera"]["tilt"] == [0.0, 0.0]  # the bars are seen from straight above
    assert details["camera"]["approach_tilt"] == pytest.approx([0.0, 0.0], abs=1e-6)  # and grasped from there
    assert details["training"]["batches"]["sensor"] == "ideal"


def test_two_steps_a_state_on_disk_and_two_more_are_four_steps_to_the_bit(bars, tmp_path):
    crop = NETWORKS["compact"].config.crop
    examples = load_examples(bars, "train", crop, LabelConfig())
    batches = Batches(examples, crop, LabelConfig(), BatchConfig(size=32, pool=64, sensor="dexnet"), seed=0)

    config = replace(QUICK, optimiser=OptimiserConfig(ema_half_life=50.0, clip_norm=0.5))
    budget = config.budget(sum(map(len, examples)))

    def fresh():
        network, average = (NETWORKS["compact"](torch.Generator().manual_seed(0)) for _ in range(2))
        return TrainingState(network, make_optimiser(network, OptimiserConfig()), CPU, average)

    def advance(state, last):
        watch = LossWatch(tmp_path, rate=0.1, processes=ALONE)
        for batch in batches.stream(state.step, last):
            take_step(state, batch, config.optimiser, config.loss, budget, watch)

    straight, begun, blank = fresh(), fresh(), fresh()
    advance(straight, 4)
    advance(begun, 2)
    save_state(begun, {"config": {}}, tmp_path)
    resumed = load_state(blank.network, blank.optimiser, {"config": {}}, tmp_path)
    assert (resumed.step, resumed.seen) == (2, 64)
    next_batch, expected_batch = (next(batches.stream(state.step, 3)) for state in (resumed, begun))
    assert torch.equal(next_batch.images, expected_batch.images)
    advance(resumed, 4)

    assert float(straight.loss_sum) == float(resumed.loss_sum)
    for a, b in zip(straight.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(straight.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(a, b)
        memory, expected = resumed.optimiser.state[b], straight.optimiser.state[a]
        assert memory.keys() == expected.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(memory[name], expected[name]) for name in expected)


def test_resuming_with_another_config_or_nothing_to_resume_is_refused(bars, tmp_path):
    network = NETWORKS["compact"]()
    recipe = {"config": {"epochs": 2, "batches": {"size": 8}}, "dataset": "a"}
    with pytest.raises(InputError, match="no interrupted training here"):
        load_state(network, make_optimiser(network, OptimiserConfig()), recipe, tmp_path)
    save_state(TrainingState(network, make_optimiser(network, OptimiserConfig()), CPU), recipe, tmp_path)
    changed = recipe | {"config": {"epochs": 2, "batches": {"size": 9}}}
    with pytest.raises(InputError, match=r"another config \(batches: size: 8, now 9\)"):
        load_state(network, make_optimiser(network, OptimiserConfig()), changed, tmp_path)
    with pytest.raises(InputError, match=r"another dataset \(a, now b\)"):
        load_state(network, make_optimiser(network, OptimiserConfig()), recipe | {"dataset": "b"}, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_training_begun_on_a_gpu_is_not_resumed_without_one(tmp_path):
    network = NETWORKS["compact"]()
    state = TrainingState(network, make_optimiser(network, OptimiserConfig()), replace(CPU, device="cuda"))
    save_state(state, {}, tmp_path)
    with pytest.raises(InputError, match="was begun on a CUDA device and torch finds none here"):
        load_state(network, make_optimiser(network, OptimiserConfig()), {}, tmp_path)


def test_an_output_that_is_taken_is_refused(trained, bars, tmp_path):
    _, folder = trained
    for resume in (False, True):
        with pytest.raises(InputError, match="holds a trained model already"):
            train(QUICK, bars, folder, resume)
    (tmp_path / "state-000000002").mkdir()
    with pytest.raises(InputError, match="--resume goes on"):
        train(QUICK, bars, tmp_path)


def test_one_class_in_validation_is_said_at_once_and_leaves_its_figures_undefined(tmp_path, capsys):
    dataset = write_bars(tmp_path / "data", train=2, validation=1, images=1, grasps=4)
    hopeless = replace(QUICK, epochs=1, label=LabelConfig(threshold=0.96))
    result = train(hopeless, dataset, tmp_path / "model")
    assert "warning: validation has one class only" in capsys.readouterr().err
    assert result.evaluation.average_precision is None


def test_the_cross_entropy_of_soft_targets_is_the_textbooks():
    class Fixed(GraspNetwork):
        def forward(self, images, pose):
            return torch.tensor([[0.0, 0.0], [0.0, float(np.log(3))]])

        def fit_normalisation(self, images, pose):
            """None."""

    batch = Batch(
        torch.zeros(2, 1, 1, 1), torch.zeros(2, 1), torch.tensor([0.3, 0.9]), torch.arange(2), -torch.ones(2, 2)
    )
    expected = (np.log(2) - 0.9 * np.log(0.75) - 0.1 * np.log(0.25)) / 2
    assert float(loss_of(Fixed(None, MetricCropConfig(), 1, 1), batch, CPU)) == pytest.approx(expected)


def test_the_probe_chooses_among_what_was_left_open_and_leaves_the_network_alone():
    network = NETWORKS["compact"]()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = Batch(torch.rand(4, 2, 64, 64), torch.rand(4, 11), torch.rand(4), torch.arange(4), -torch.ones(4, 2))
    found = find_fastest(network, batch, "cpu", "auto", 1)
    assert (found.device, found.threads) == ("cpu", 1)
    assert found.precision in ("float32", "bfloat16")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert find_fastest(network, batch, "cpu", "bfloat16", 2) == Computing("cpu", "bfloat16", 2, "channels_last")
    assert find_fastest(network, batch, "cpu", "float32", 2) == Computing("cpu", "float32", 2, "contiguous")


def test_a_layout_changes_where_numbers_lie_and_not_what_they_are():
    network = NETWORKS["compact"]()
    batch = Batch(torch.rand(4, 2, 64, 64), torch.rand(4, 11), torch.rand(4), torch.arange(4), -torch.ones(4, 2))
    losses = []
    for layout in ("contiguous", "channels_last"):
        computing = Computing("cpu", "float32", 1, layout)
        losses.append(float(loss_of(placed(network, computing).eval(), batch, computing)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert any(
        each.is_contiguous(memory_format=torch.channels_last) for each in network.parameters() if each.dim() == 4
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none_is_refused():
    with pytest.raises(InputError, match="no CUDA device here"):
        find_fastest(
            NETWORKS["compact"](),
            Batch(torch.rand(1, 2, 64, 64), torch.rand(1, 11), torch.rand(1), torch.arange(1), -torch.ones(1, 2)),
            "cuda",
            "float32",
            1,
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_trains_a_network_that_a_cpu_loads(bars, tmp_path, precision):
    config = replace(QUICK, epochs=2, device="cuda", precision=precision)
    result = train(config, bars, tmp_path)
    assert result.checkpoint.details["training"]["computing"]["device"] == "cuda"
    weights = load_checkpoint(tmp_path).network.state_dict()
    assert all(value.device.type == "cpu" and value.isfinite().all() for value in weights.values())


@pytest.mark.parametrize("name", sorted(preset_names("train")))
def test_every_preset_loads_and_refuses_a_misspelt_key(name):
    assert load_config(TrainConfig, "train", name).epochs > 0
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        load_config(TrainConfig, "train", name, ("epoch=3",))
    with pytest.raises(InputError, match="did you mean 'rate'"):
        load_config(TrainConfig, "train", name, ("optimiser.rat=3",))


def test_the_command_writes_a_run_record_and_prints_the_figures(bars, tmp_path):
    arguments = ["train", "--config", "demo", "--dataset", str(bars.folder), "--output", str(tmp_path / "model")]
    overrides = ["epochs=1", "batches.size=32", "batches.sensor=ideal", "precision=float32", "threads=1"]
    done = CliRunner().invoke(main, [*arguments, *overrides, "--seed", "5"])
    assert done.exit_code == 0, done.output
    assert "on 96 examples of objects not seen in training, 50.0% positive" in done.output
    record = json.loads((tmp_path / "model" / "run.json").read_text())
    assert record["seed"] == record["config"]["seed"] == 5
    assert record["config"]["epochs"] == 1
    assert load_checkpoint(tmp_path / "model").name == "compact"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network: gqcnn_2.0_paper", PublishedConfig(kind="gqcnn_2.0_paper")),
        ("network: {kind: gqcnn_4.0_pj}", PublishedConfig(kind="gqcnn_4.0_pj")),
        ("network: {residual: true}", CompactConfig(residual=True)),
        (
            "network: {kind: compact, channels: [8, 8, 8, 8], crop: {size: 48}}",
            CompactConfig(channels=(8, 8, 8, 8), crop=MetricCropConfig(size=48)),
        ),
    ],
)
def test_a_preset_names_a_network_and_its_options(tmp_path, text, expected):
    (tmp_path / "mine.yaml").write_text(f"base: parallel_jaw\n{text}\n")
    assert load_config(TrainConfig, "train", tmp_path / "mine.yaml").network == expected


def test_the_options_of_a_network_are_in_its_checkpoint(bars, tmp_path):
    options = CompactConfig(residual=True, crop=MetricCropConfig(size=48, fine_window=1.2), hand_numbers=False)
    small = write_bars(tmp_path / "small", train=2, validation=1, images=2)
    train(replace(QUICK, network=options, epochs=1), small, tmp_path / "model")
    loaded = load_checkpoint(tmp_path / "model")
    assert loaded.network.config == options
    assert loaded.details["training"]["network"]["residual"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["epoch=3"], "unknown key 'epoch'; did you mean 'epochs'"),
        (["network=compat"], "network: unknown kind 'compat'; did you mean 'compact'"),
        (["network=gqcnn_3.0"], "network gqcnn_3.0 takes 2 pose numbers"),
        (["network=gqcnn_2.0", "network.residual=true"], "network of kind 'gqcnn_2.0': unknown key 'residual'"),
        (["batches.sensor=idael"], "did you mean 'ideal'"),
        (["--config", "demmo"], "unknown train preset 'demmo'; did you mean 'demo'"),
        (["--dataset", "nowhere"], "no dataset.json; is this the --output of `graspnet generate`?"),
        (["--resume"], "no interrupted training here"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(bars, tmp_path, arguments, message):
    given = ["train", "--dataset", str(bars.folder), "--output", str(tmp_path / "model"), *arguments]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("file", ["grasps.parquet", "shard.json"])
def test_a_truncated_shard_is_one_line_and_status_2(bars, tmp_path, file):
    shutil.copytree(str(bars.folder), tmp_path / "dataset")
    path = tmp_path / "dataset" / "shards" / "00001" / file
    path.write_bytes(path.read_bytes()[:-9])
    given = ["train", "--dataset", str(tmp_path / "dataset"), "--output", str(tmp_path / "model")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert f"00001/{file}: " in done.stderr
    assert "truncated" in done.stderr


def test_an_unfinished_dataset_is_one_line_and_status_2(bars, tmp_path):
    header = json.loads(Path(str(bars.folder), "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(header | {"complete": False}))  # as a killed `generate` leaves it
    done = CliRunner().invoke(main, ["train", "--dataset", str(tmp_path), "--output", str(tmp_path / "model")])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "unfinished; `graspnet generate --resume" in done.stderr


def test_a_dataset_without_validation_objects_trains_and_is_looked_at_on_other_images_and_says_so(tmp_path, capsys):
    result = train(replace(QUICK, epochs=1), write_bars(tmp_path / "few", train=2, validation=0), tmp_path / "model")
    assert "has no validation objects; figures are of 2 other images of the objects" in capsys.readouterr().err
    assert result.evaluation.examples == 2 * 8  # every fifth of eight images
    assert "of the objects that were trained on" in result.evaluation.lines()[0]
    with pytest.raises(InputError, match="one image and no validation objects"):
        train(QUICK, write_bars(tmp_path / "one", train=1, validation=0, images=1), tmp_path / "other")
