"""Identity: a protocol is what its files hold and not where they lie; a model is its weights."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner

from graspnet.camera import load_camera, save_camera
from graspnet.cli import main
from graspnet.config import load_config, preset_path
from graspnet.data_gen.objects.meshes import solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.scenes.scenes import CameraConfig
from graspnet.errors import InputError
from graspnet.models.checkpoint import load_checkpoint, save_checkpoint
from graspnet.sim_eval.planners.choice import PlannerChoice, identified, planner_of
from graspnet.sim_eval.protocols.identity import protocol_hash, run_identity
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import BinConfig, PileConfig, SingleConfig
from graspnet.sim_eval.sets.object_sets import KEPT, ObjectPose, SetRecord, save_object_set
from graspnet.transforms import rigid

SINGLE = load_config(ProtocolConfig, "simulate", "single")
ONE_MESH = ("--config", "quick", "--workers", "1", "--no-report")


def _hash(**settings: object) -> str:
    return protocol_hash(ProtocolConfig(**settings))


def _meshes(folder: Path, side: float = 0.03) -> Path:
    (folder / "kit").mkdir(parents=True)
    for name, depth in (("b", 0.02), ("a", side)):
        trimesh.creation.box([0.04, 0.03, depth]).export(folder / "kit" / f"{name}.stl")
    return folder / "kit"


def _objects(*folders: Path, **more: object) -> ObjectConfig:
    return ObjectConfig(folders=tuple(map(str, folders)), **more)


def test_a_protocol_is_named_by_its_settings_and_not_by_its_number_of_trials():
    assert protocol_hash(SINGLE) == protocol_hash(replace(SINGLE, episodes=5))
    others = [
        replace(SINGLE, friction_mean=0.45), replace(SINGLE, gripper="panda"), replace(SINGLE, sensor="phoxi"),
        replace(SINGLE, task=SingleConfig(object_set="hard")), replace(SINGLE, task=SingleConfig(turn=0.1)),
        replace(SINGLE, task=SingleConfig(object_set="hard_shape")), replace(SINGLE, view=CameraConfig(camera="phoxi")),
        replace(SINGLE, task=PileConfig()), replace(SINGLE, task=BinConfig()),
    ]  # fmt: skip
    hashes = [protocol_hash(protocol) for protocol in (SINGLE, *others)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in hashes)


def test_every_variant_has_a_hash_of_its_own():
    runs = load_config(ProtocolConfig, "simulate", "robustness").runs()
    assert len({protocol_hash(run) for run in runs.values()}) == len(runs)
    assert protocol_hash(runs["base"]) == protocol_hash(SINGLE)


def test_meshes_count_by_name_and_contents_wherever_they_lie(tmp_path):
    here, there, changed = (_meshes(tmp_path / n, s) for n, s in (("x", 0.03), ("y", 0.03), ("z", 0.0301)))
    assert _hash(objects=_objects(here)) == _hash(objects=_objects(there)) != _hash(objects=_objects(changed))
    (there / "notes.txt").write_text("no mesh")
    assert _hash(objects=_objects(here)) == _hash(objects=_objects(there))
    moved = here.rename(tmp_path / "elsewhere")
    assert _hash(objects=_objects(moved)) == _hash(objects=_objects(there))
    (there / "a.stl").rename(there / "c.stl")
    assert _hash(objects=_objects(moved)) != _hash(objects=_objects(there))
    assert _hash(objects=_objects(moved, unit=0.001)) != _hash(objects=_objects(moved))


def test_a_mesh_that_is_written_anew_is_read_anew(tmp_path):
    folder = _meshes(tmp_path)
    before = _hash(objects=_objects(folder))
    trimesh.creation.box([0.04, 0.03, 0.0305]).export(folder / "a.stl")
    assert _hash(objects=_objects(folder)) != before


def test_presets_and_files_of_the_same_constants_are_one(tmp_path):
    for room, name in (("grippers", "yumi"), ("sensors", "phoxi")):
        shutil.copy(preset_path(room, name), tmp_path / f"my_{name}.yaml")
    save_camera(load_camera("primesense"), tmp_path / "camera.json")
    files = {"gripper": str(tmp_path / "my_yumi.yaml"), "sensor": str(tmp_path / "my_phoxi.yaml")}
    camera = CameraConfig(camera=str(tmp_path / "camera.json"))
    presets = _hash(gripper="yumi", sensor="phoxi", view=CameraConfig(camera="primesense"))
    assert _hash(**files, view=camera) == presets
    hand = tmp_path / "my_yumi.yaml"
    hand.write_text(hand.read_text().replace("max_width: 0.05", "max_width: 0.051"))
    assert _hash(**files, view=camera) != presets


def test_a_frozen_set_counts_by_its_checksum(tmp_path):
    record = SetRecord(rule="any", seed=3, opening=0.05, meaning={"k": KEPT}, verdicts="k")
    for name, side, rule in (("one", 0.02, "any"), ("same", 0.02, "in other words"), ("other", 0.021, "any")):
        brick = solid_from_mesh(trimesh.creation.box([0.04, 0.03, side]), "brick_00000")
        resting = ObjectPose(brick, rigid(np.eye(3), np.array([0.0, 0.0, side / 2])))
        save_object_set(replace(record, rule=rule), [resting], tmp_path / f"{name}.json")
    one, same, other = (
        _hash(task=SingleConfig(object_set=str(tmp_path / f"{name}.json"))) for name in ("one", "same", "other")
    )
    assert one == same != other


def test_a_missing_file_is_refused_when_the_run_is_named(tmp_path):
    absent: list[dict[str, object]] = [
        {"gripper": str(tmp_path / "g.yaml")}, {"sensor": str(tmp_path / "s.yaml")},
        {"task": SingleConfig(object_set="hrd")},
    ]  # fmt: skip
    for settings in absent:
        with pytest.raises(InputError):
            _hash(**settings)


def test_a_hundred_meshes_are_hashed_in_well_under_a_second(tmp_path):
    mesh = trimesh.creation.icosphere(4)  # 5,120 faces, 250 kB
    for k in range(129):
        mesh.apply_scale(1.001).export(tmp_path / f"{k:03d}.stl")
    start = perf_counter()
    _hash(objects=_objects(tmp_path))
    first = perf_counter() - start
    _hash(objects=_objects(tmp_path))
    assert perf_counter() - start - first < first
    assert first < 1


def test_a_planner_is_known_by_its_weights_and_settings_wherever_its_model_lies(tmp_path):
    checkpoint = load_checkpoint("parallel_jaw")
    save_checkpoint(checkpoint, tmp_path / "copy")
    shipped, copied = (PlannerChoice("cross_entropy", model=str(m)) for m in ("parallel_jaw", tmp_path / "copy"))
    (one,), (other,) = (run_identity(SINGLE, [choice], 0)["planners"] for choice in (shipped, copied))
    assert one == other
    assert len(one["weights"]) == 64
    assert one["settings"]["iterations"] >= 1
    heuristic, ceiling = (PlannerChoice(name, model="parallel_jaw") for name in ("antipodal", "oracle"))
    assert identified(heuristic).model is identified(ceiling).model is None
    assert run_identity(SINGLE, [ceiling], 0)["planners"] == [{"name": "oracle"}]
    command = PlannerChoice("planner a", command="a {output}", timeout=3.0)
    assert run_identity(SINGLE, [command], 0)["planners"] == [
        {"name": "planner a", "command": "a {output}", "timeout": 3.0}
    ]


def _retrained(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    for tensor in checkpoint.network.state_dict().values():
        tensor.mul_(1.001)
    save_checkpoint(checkpoint, folder)


def test_a_model_that_was_trained_again_is_not_taken_for_the_one_of_the_run(tmp_path):
    save_checkpoint(load_checkpoint("parallel_jaw"), tmp_path / "model")
    choice = identified(PlannerChoice("ranking", model=str(tmp_path / "model")))
    planner_of(choice)
    _retrained(tmp_path / "model")
    assert run_identity(SINGLE, [choice], 0)["planners"][0]["weights"] == choice.weights  # what was begun, not what is
    planner_of.cache_clear()
    with pytest.raises(InputError, match="holds other weights than the run was begun with"):
        planner_of(choice)
    assert planner_of(identified(choice)) is not None


def _simulate(*arguments: object) -> str:
    done = CliRunner().invoke(main, ["simulate", *ONE_MESH, *map(str, arguments)])
    return done.output if done.exit_code == 0 else f"exit {done.exit_code}: {done.output}"


def test_a_run_is_resumed_extended_and_refused_by_what_it_is(tmp_path):
    folder, out = _meshes(tmp_path), tmp_path / "out"
    save_checkpoint(load_checkpoint("parallel_jaw"), tmp_path / "model")
    run = ("--policy", "ranking", "--model", tmp_path / "model", "--output", out, "view.distance=[0.6, 0.8]")
    said = _simulate("--objects", folder, "--trials", 2, *run)
    results = json.loads((out / "results.json").read_text())
    assert f"protocol {results['hash']}, seed 0" in said
    first = json.loads((out / "records.jsonl").read_text().splitlines()[0])
    assert first["protocol"] == results["hash"]
    assert first["planners"][0]["weights"] == results["planners"][0]["weights"]
    assert results["planners"][0]["weights"] == json.loads((tmp_path / "model" / "model.json").read_text())["weights"]

    moved = shutil.move(folder, tmp_path / "elsewhere")  # the same meshes
    _simulate("--objects", moved, "--trials", 3, "--resume", *run)
    extended = json.loads((out / "results.json").read_text())
    assert extended["episodes"][:2] == results["episodes"]
    assert (len(extended["episodes"]), extended["hash"]) == (3, results["hash"])
    assert "holds number 2 already, and 2 were asked for" in _simulate(
        "--objects", moved, "--trials", 2, "--resume", *run
    )

    _retrained(tmp_path / "model")
    refused = _simulate("--objects", moved, "--trials", 4, "--resume", *run)
    assert refused.startswith("exit 2")
    assert "planners ranking weights was" in refused
    assert json.loads((out / "results.json").read_text()) == extended


def test_choices_are_read_back_with_their_weights():
    choice = identified(PlannerChoice("cross_entropy", model="parallel_jaw"))
    assert PlannerChoice(**asdict(choice)) == choice
