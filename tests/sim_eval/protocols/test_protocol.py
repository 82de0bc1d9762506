"""Protocols: presets that load; settings that cannot be, or mean nothing to a task, are refused."""

import pytest

from graspnet.config import load_config, parse_config, preset_names
from graspnet.errors import InputError
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import BinConfig, PackedConfig, PileConfig, SingleConfig

PRESETS = preset_names("simulate")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_loads(name):
    assert load_config(ProtocolConfig, "simulate", name).episodes > 0


def test_a_trial_is_one_attempt_at_one_object():
    assert ProtocolConfig().of_trials
    assert ProtocolConfig(task=PileConfig(objects=1, failures=1)).of_trials
    for task in (PileConfig(objects=1), PileConfig(failures=1), PackedConfig(), BinConfig()):
        assert not ProtocolConfig(task=task).of_trials


def test_the_defaults_of_a_task_are_those_of_the_preset_with_its_name():
    for name, task in (("single", SingleConfig()), ("vgn_pile", PileConfig()), ("vgn_packed", PackedConfig()),
                       ("bin", BinConfig())):  # fmt: skip
        assert load_config(ProtocolConfig, "simulate", name).task == task


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episodes": 0}, "episodes is 0"),
        ({"friction_range": (0.6, 1.0)}, "friction_range"),
        ({"density": (0.0, 1.0)}, "density"),
        ({"calibration_rotation": -1.0}, "must not be negative"),
        ({"motion_time": -1.0}, "motion_time is -1.0"),
    ],
)
def test_impossible_distributions_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        ProtocolConfig(**change)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"kind": "pile", "objects": 0}, "objects is 0"),
        ({"kind": "pile", "scale": [1.0, 0.5]}, "scale is"),
        ({"kind": "bin", "failures": 0}, "failures is 0"),
        ({"kind": "packed", "places": 0}, "places is 0"),
        ({"kind": "pile", "side": 0.0}, "side is 0.0"),
        ({"kind": "single", "shift": -0.1}, "must not be negative"),
        ({"kind": "single", "settle_time": 0.0}, "settle_time is 0.0"),
        ({"kind": "single", "yaw": [2, 1]}, r"yaw is \[2.0, 1.0\]"),
        ({"kind": "bin", "fusion": {}}, "of kind 'bin': unknown key 'fusion'"),
        ({"kind": "pile", "places": 20}, "of kind 'pile': unknown key 'places'"),
        ({"kind": "packed", "drop": {}}, "of kind 'packed': unknown key 'drop'"),
        ({"kind": "bin", "side": 0.2}, "of kind 'bin': unknown key 'side'"),
        ({"kind": "pile", "drop": {"objects": [2, 9]}}, "drop: unknown key 'objects'"),
        ({"kind": "bin", "drop": {"bin_share": 0.5}}, "drop: unknown key 'bin_share'"),
        ({"kind": "heap"}, "unknown kind 'heap'. Valid: bin, packed, pile, single"),
    ],
)
def test_settings_of_a_task_that_cannot_be_or_mean_nothing_are_refused(task, message):
    with pytest.raises(InputError, match=message):
        parse_config(ProtocolConfig, {"task": task}, "mine.yaml")


@pytest.mark.parametrize("key", ["object_set=hard", "shift_mm=5", "turn_deg=5", "stable_pose_probability=0.1",
                                 "yaw=[0, 0]", "placement=0.1", "oblique_deg=40"])  # fmt: skip
def test_what_is_for_one_object_is_refused_in_clutter(key):
    assert load_config(ProtocolConfig, "simulate", "single", (f"task.{key}",)).task != SingleConfig()
    with pytest.raises(InputError, match=r"task of kind 'pile': unknown key"):
        load_config(ProtocolConfig, "simulate", "vgn_pile", (f"task.{key}",))


def test_fused_views_have_no_sensor_that_could_be_set():
    with pytest.raises(InputError, match=r"depth_scale 1\.03; fused views"):
        load_config(ProtocolConfig, "simulate", "vgn_pile_literature", ("depth_scale=1.03",))
    with pytest.raises(InputError, match="sensor is 'phoxi'"):
        load_config(ProtocolConfig, "simulate", "vgn_packed_literature", ("sensor=phoxi",))


def test_variants_are_of_trials():
    data = {"task": {"kind": "bin"}, "variants": {"few": ["task.objects=3"]}}
    with pytest.raises(InputError, match="variants are of trials"):
        parse_config(ProtocolConfig, data, "mine.yaml")


def test_a_task_is_chosen_on_the_command_line():
    few = load_config(ProtocolConfig, "simulate", "single", ("task.objects=9", "task.kind=bin"))
    assert few.task == BinConfig(objects=9)
