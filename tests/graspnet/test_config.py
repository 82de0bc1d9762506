"""Typed configs: strict keys and types, units, inheritance, overrides; and one clear line for every mistake."""

import json
import math
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graspnet.config import config_to_dict, load_config, parse_config, preset_names, preset_path
from graspnet.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Lens:
    tilt: float = 0.1  # rad
    aperture: float | None = None  # m

    def __post_init__(self) -> None:
        if self.tilt < 0:
            raise InputError(f"tilt is {self.tilt}; it must not be negative")


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int
    rate: float = 0.01
    mixed: bool = False
    sensor: Literal["ideal", "real"] = "ideal"
    names: tuple[str, ...] = ()
    distance: tuple[float, float] = (0.4, 1.1)
    size: tuple[float, float, float] | None = None
    folder: str | None = None
    weights: dict[str, float] = field(default_factory=dict)
    lens: Lens = field(default_factory=Lens)


def load(tmp_path, text, *overrides):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(Settings, "train", path, overrides)


def refused(tmp_path, text, *overrides):
    """The one line that the text is refused with."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_values_come_out_with_the_types_of_their_fields(tmp_path):
    text = "{steps: 3, rate: 1, sensor: real, names: [a, b], distance: [1, 2], weights: {a: 1}, lens: {aperture: 2}}"
    assert load(tmp_path, text) == Settings(
        steps=3,
        rate=1.0,
        sensor="real",
        names=("a", "b"),
        distance=(1.0, 2.0),
        weights={"a": 1.0},
        lens=Lens(aperture=2.0),
    )
    assert type(load(tmp_path, "{steps: 3, rate: 1}").rate) is float


@given(
    config=st.builds(
        Settings,
        steps=st.integers(),
        rate=st.floats(allow_nan=False),
        mixed=st.booleans(),
        names=st.lists(st.text()).map(tuple),
        weights=st.dictionaries(st.text(), st.floats(allow_nan=False)),
        size=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
        lens=st.builds(Lens, tilt=st.floats(0, 1), aperture=st.none() | st.floats(0, 1)),
    )
)
def test_a_config_survives_json(config):
    assert parse_config(Settings, json.loads(json.dumps(config_to_dict(config))), "run.json") == config


def test_yaml_without_a_dot_still_reads_a_number(tmp_path):
    assert load(tmp_path, "{steps: 1, rate: 1e-3}").rate == 0.001  # YAML 1.1 takes 1e-3 for a string


def test_degrees_and_millimetres_become_si(tmp_path):
    config = load(tmp_path, "{steps: 1, distance_mm: [400, 1100], lens: {tilt_deg: 90, aperture_mm: null}}")
    assert config.distance == pytest.approx((0.4, 1.1), rel=1e-12)
    assert config.lens == Lens(tilt=math.pi / 2, aperture=None)


def test_one_field_in_two_units_is_refused(tmp_path):
    assert "'tilt' is given twice, in two units" in refused(tmp_path, "{steps: 1, lens: {tilt: 1, tilt_deg: 5}}")


def test_a_repeated_key_is_refused(tmp_path):
    assert "'steps' is given twice" in refused(tmp_path, "steps: 1\nrate: 0.1\nsteps: 2")


@pytest.mark.parametrize("key", ["step", "stepss", "setps", "rat", "senser", "lense"])
def test_a_key_with_a_letter_wrong_is_refused_with_the_right_one(tmp_path, key):
    message = refused(tmp_path, f"{{steps: 1, {key}: 1}}")
    assert f"c.yaml: unknown key {key!r}; did you mean" in message


def test_a_nested_unknown_key_is_named_with_its_parent(tmp_path):
    assert "c.yaml: lens: unknown key 'tlit'; did you mean 'tilt'?" in refused(tmp_path, "{steps: 1, lens: {tlit: 1}}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "missing key 'steps'"),
        ("{steps: 1.5}", "steps is 1.5; expected a whole number"),
        ("{steps: true}", "steps is True; expected a whole number"),
        ("{steps: null}", "steps is None; expected a whole number"),
        ("{steps: 1, rate: true}", "rate is True; expected a number"),
        ("{steps: 1, rate: fast}", "rate is 'fast'; expected a number"),
        ("{steps: 1, rate: .nan}", "rate is nan; expected a number"),
        ("{steps: 1, rate: [1]}", "rate is [1]; expected a number"),
        ("{steps: 1, mixed: 1}", "mixed is 1; expected true or false"),
        ("{steps: 1, sensor: reel}", "unknown sensor 'reel'; did you mean 'real'? Valid: ideal, real"),
        ("{steps: 1, names: a}", "names is 'a'; expected a list"),
        ("{steps: 1, names: [a, 1]}", "names[1] is 1; expected a text"),
        ("{steps: 1, distance: [1]}", "distance has 1 entries; expected 2"),
        ("{steps: 1, distance: [1, far]}", "distance[1] is 'far'; expected a number"),
        ("{steps: 1, weights: {a: b}}", "weights.a is 'b'; expected a number"),
        ("{steps: 1, weights: 3}", "weights is 3; expected keys and values"),
        ("{steps: 1, lens: 3}", "lens: expected keys and values, found 3"),
        ("{steps: 1, lens: null}", "lens is None; expected keys and values"),
        ("{steps: 1, lens: {tilt: x}}", "lens.tilt is 'x'; expected a number"),
        ("{steps: 1, lens: {tilt_deg: x}}", "lens: tilt_deg is 'x'; expected a number"),
        ("{steps: 1, lens: {tilt: -1}}", "lens.tilt is -1.0; it must not be negative"),
        ("[1, 2]", "expected keys and values; found list"),
        ("{steps: [", "not a YAML or JSON file"),
    ],
)
def test_a_wrong_file_is_one_line_with_file_field_and_value(tmp_path, text, message):
    assert f"c.yaml: {message}" in refused(tmp_path, text)


def test_overrides_win_over_the_file_and_reach_inner_keys(tmp_path):
    config = load(tmp_path, "{steps: 1, lens: {tilt: 1.0, aperture: 2.0}}", "steps=7", "lens.tilt=0.5", "names=[x, y]")
    assert config == Settings(steps=7, names=("x", "y"), lens=Lens(tilt=0.5, aperture=2.0))


@pytest.mark.parametrize("folder", ["2024", "a: b", "[x", "true", "my meshes"])
def test_a_text_needs_no_quotes_in_an_override_whatever_yaml_would_take_it_for(tmp_path, folder):
    assert load(tmp_path, "steps: 1", f"folder={folder}").folder == folder
    assert load(tmp_path, "{steps: 1, folder: x}", "folder=null").folder is None


def test_an_override_may_spell_another_unit_than_the_file(tmp_path):
    assert load(tmp_path, "{steps: 1, lens: {tilt_deg: 5}}", "lens.tilt=0.5").lens.tilt == 0.5
    assert load(tmp_path, "{steps: 1, lens: {tilt: 0.5}}", "lens.tilt_deg=180").lens.tilt == pytest.approx(math.pi)


@pytest.mark.parametrize(
    "override", ["steps", "=3", "stepz=3", "steps.inner=3", "lens=3", "lens.tilt.x=3", "steps=[", "a="]
)
def test_a_malformed_override_is_refused(tmp_path, override):
    assert refused(tmp_path, "{steps: 1}", override)


def test_a_file_inherits_from_the_file_beside_it_key_by_key(tmp_path):
    (tmp_path / "base.yaml").write_text("{steps: 1, rate: 0.5, lens: {tilt_deg: 90, aperture: 2}}")
    config = load(tmp_path, "{base: base.yaml, rate: 0.25, lens: {tilt: 0.5}}")
    assert config == Settings(steps=1, rate=0.25, lens=Lens(tilt=0.5, aperture=2.0))


def test_a_loop_of_bases_is_refused(tmp_path):
    (tmp_path / "other.yaml").write_text("base: c.yaml")
    assert "`base` leads back to this file" in refused(tmp_path, "base: other.yaml")
    assert "`base` leads back to this file" in refused(tmp_path, "base: ./c.yaml")


def test_an_unknown_key_of_a_base_is_blamed_on_the_base(tmp_path):
    (tmp_path / "base.yaml").write_text("{stepz: 1}")
    assert "base.yaml: unknown key 'stepz'" in refused(tmp_path, "base: base.yaml")


@pytest.mark.parametrize(
    ("base", "message"), [("nowhere.yaml", "no such file"), ("nobody", "preset"), ("[a]", "base is")]
)
def test_a_base_that_is_not_there_is_refused(tmp_path, base, message):
    assert message in refused(tmp_path, f"base: {base}")


def test_a_missing_file_and_an_unknown_preset_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_config(Settings, "train", tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="unknown grippers preset 'yumy'; did you mean 'yumi'"):
        preset_path("grippers", "yumy")


def test_a_preset_whose_name_has_a_dot_is_no_missing_file():
    with pytest.raises(InputError, match=r"unknown train preset 'gqcnn_9\.9'"):
        preset_path("train", "gqcnn_9.9")


def test_presets_are_found_by_name():
    assert {"yumi", "panda", "robotiq_85", "wide"} <= set(preset_names("grippers"))
    assert preset_path("grippers", "yumi").name == "yumi.yaml"
