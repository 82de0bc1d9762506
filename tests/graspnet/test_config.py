"""Typed configs: strict keys and types, units, inheritance, overrides; and one clear line for every mistake."""

import json
import math
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graspnet.config import (
    config_to_dict,
    load_config,
    parse_config,
    preset_names,
    preset_path,
    read_mapping,
    with_overrides,
)
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


@dataclass(frozen=True, kw_only=True)
class Pile:
    kind: Literal["pile"] = "pile"
    objects: int = 5
    side: float = 0.3  # m


@dataclass(frozen=True, kw_only=True)
class Bin:
    kind: Literal["bin"] = "bin"
    objects: int = 25
    tilt: float = 0.0  # rad
    lens: Lens = field(default_factory=lambda: Lens(tilt=0.7, aperture=0.02))
    label: str = ""

    def __post_init__(self) -> None:
        if self.objects < 1:
            raise InputError(f"objects is {self.objects}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Picking:
    """`task` is a pile where nothing is said; of `next` one must say what it is."""

    trials: int = 3
    task: Pile | Bin = field(default_factory=lambda: Pile(objects=7))
    next: Pile | Bin | None = None


def load(tmp_path, text, *overrides, cls=Settings):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(cls, "train", path, overrides)


def refused(tmp_path, text, *overrides, cls=Settings):
    """The one line that the text is refused with."""
    with pytest.raises(InputError) as caught:
        load(tmp_path, text, *overrides, cls=cls)
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
    (tmp_path / "c.json").write_text('{"steps": 1, "rate": 0.1, "steps": 2}')
    with pytest.raises(InputError, match="'steps' is given twice"):
        read_mapping(tmp_path / "c.json", "keys")


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
def test_a_byte_order_mark_is_no_part_of_a_config(tmp_path, name):
    (tmp_path / name).write_bytes(b'\xef\xbb\xbf{"steps": 1}')
    assert read_mapping(tmp_path / name, "keys") == {"steps": 1}


@pytest.mark.parametrize("value", ["2024-13-45", "0x_", "9" * 5000, "[" * 3000, "{a: 1, a: 2}"])
def test_what_yaml_stumbles_over_is_one_line(tmp_path, value):
    (tmp_path / "c.yaml").write_text(f"steps: {value}")
    (tmp_path / "c.json").write_text("[" * 100_000)
    for name in ("c.yaml", "c.json"):
        with pytest.raises(InputError, match="not a YAML or JSON file"):
            read_mapping(tmp_path / name, "keys")
    with pytest.raises(InputError, match="not a YAML value"):
        with_overrides(Settings(steps=1), [f"steps={value}"])


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


def test_a_bad_value_names_the_override_that_brought_it_in_and_not_the_file(tmp_path):
    text = "{steps: 1, lens: {tilt: 0.2}}"
    assert (
        refused(tmp_path, text, "lens.tilt=-1") == "override 'lens.tilt=-1': lens.tilt is -1.0; it must not be negative"
    )
    assert refused(tmp_path, text, "rate=0.1", "steps=many").startswith("override 'steps=many': steps is 'many'")
    assert refused(tmp_path, text, "steps=x", "rate=y").startswith("overrides 'steps=x', 'rate=y': steps is 'x'")
    with pytest.raises(InputError, match=r"override 'lens\.tilt_deg=-1': lens\.tilt is"):
        with_overrides(Settings(steps=1), ["steps=2", "lens.tilt_deg=-1"])


def test_what_is_wrong_in_the_file_is_told_of_the_file_whatever_is_overridden(tmp_path):
    assert "c.yaml: lens.tilt is -0.2" in refused(tmp_path, "{steps: 1, lens: {tilt: -0.2}}", "rate=0.1")


def test_opencvs_yaml_is_read_though_its_first_line_and_tag_are_not_yaml(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "%YAML:1.0\n---\nm: !!opencv-matrix\n   rows: 1\n   cols: 2\n   data: [ 1., 2. ]\n"
    )
    assert read_mapping(tmp_path / "c.yaml", "keys") == {"m": {"rows": 1, "cols": 2, "data": [1.0, 2.0]}}


def test_xml_is_called_xml(tmp_path):
    (tmp_path / "hand.urdf").write_text('<?xml version="1.0"?>\n<robot name="hand"/>\n')
    with pytest.raises(InputError, match=r"hand\.urdf: not a YAML or JSON file \(it is XML\)"):
        read_mapping(tmp_path / "hand.urdf", "keys such as kind")


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


def test_what_a_section_leaves_out_is_as_where_all_of_it_is_left_out(tmp_path):
    assert load(tmp_path, "task: {kind: bin}", cls=Picking).task.lens == Lens(tilt=0.7, aperture=0.02)
    config = load(tmp_path, "task: {kind: bin, lens: {tilt_deg: 90}}", cls=Picking)
    assert config.task == Bin(lens=Lens(tilt=math.pi / 2, aperture=0.02))
    assert load(tmp_path, "task: {side: 0.2}", cls=Picking).task == Pile(objects=7, side=0.2)
    assert load(tmp_path, "{}", "task.side=0.2", cls=Picking).task == Pile(objects=7, side=0.2)


def test_a_kind_says_which_dataclass_a_section_is(tmp_path):
    assert load(tmp_path, "{}", cls=Picking).task == Pile(objects=7)
    config = load(tmp_path, "{task: {kind: bin, tilt_deg: 90}, next: {kind: pile, side_mm: 200}}", cls=Picking)
    assert config.task == Bin(tilt=math.pi / 2)
    assert config.next == Pile(side=0.2)
    assert parse_config(Picking, json.loads(json.dumps(config_to_dict(config))), "run.json") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: {kind: bim}", "task: unknown kind 'bim'; did you mean 'bin'? Valid: bin, pile"),
        ("task: {kind: 3}", "task: unknown kind '3'. Valid: bin, pile"),
        ("task: {kind: [bin]}", "task: unknown kind"),
        ("task: {knd: bin}", "task of kind 'pile': unknown key 'knd'; did you mean 'kind'?"),
        ("task: {kind: bin, side: 0.2}", "task of kind 'bin': unknown key 'side'"),
        ("task: {tilt_deg: 5}", "task of kind 'pile': unknown key 'tilt_deg'"),
        ("task: {kind: bin, lens: {tlit: 5}}", "task of kind 'bin': lens: unknown key 'tlit'; did you mean 'tilt'?"),
        ("task: {kind: bin, objects: 0}", "task.objects is 0; it must be at least 1"),
        ("task: 3", "task: expected keys and values, found 3"),
        ("task: null", "task is None; expected keys and values"),
        ("next: {objects: 3}", "next: missing key 'kind'; valid: bin, pile"),
    ],
)
def test_a_wrong_kind_or_a_key_of_another_kind_is_refused_with_those_that_are_valid(tmp_path, text, message):
    assert f"c.yaml: {message}" in refused(tmp_path, text, cls=Picking)


def test_a_kind_alone_may_stand_for_its_section(tmp_path):
    assert load(tmp_path, "task: bin", cls=Picking) == load(tmp_path, "task: {kind: bin}", cls=Picking)
    for overrides in (["task=bin", "task.tilt_deg=90"], ["task.tilt_deg=90", "task=bin"]):
        assert load(tmp_path, "{}", *overrides, cls=Picking).task.tilt == math.pi / 2
    with pytest.raises(InputError, match="task: unknown kind 'bim'; did you mean 'bin'"):
        load(tmp_path, "task: bim", cls=Picking)


def test_overrides_choose_a_kind_in_whatever_order_they_come(tmp_path):
    for overrides in (["task.kind=bin", "task.tilt_deg=90"], ["task.tilt_deg=90", "task.kind=bin"]):
        assert load(tmp_path, "task: {objects: 2}", *overrides, cls=Picking).task == Bin(tilt=math.pi / 2)
        assert with_overrides(Picking(), overrides).task == Bin(tilt=math.pi / 2)
    assert load(tmp_path, "{}", "task.kind=bin", "task.label=2024", cls=Picking).task == Bin(label="2024")
    assert "unknown key 'tilt'" in refused(tmp_path, "{}", "task.tilt=1", cls=Picking)


def test_a_section_inherits_from_its_base_as_long_as_it_is_of_the_same_kind(tmp_path):
    (tmp_path / "base.yaml").write_text("task: {kind: bin, objects: 9, lens: {aperture_mm: 5}}")
    same = load(tmp_path, "{base: base.yaml, task: {tilt_deg: 90}}", cls=Picking)
    assert same.task == Bin(objects=9, tilt=math.pi / 2, lens=Lens(tilt=0.7, aperture=0.005))
    assert load(tmp_path, "{base: base.yaml, task: {kind: bin}}", cls=Picking).task.objects == 9
    assert load(tmp_path, "{base: base.yaml, task: {kind: pile}}", cls=Picking).task == Pile(objects=7)
    assert load(tmp_path, "base: base.yaml", "task.kind=pile", cls=Picking).task == Pile(objects=7)


@dataclass(frozen=True, kw_only=True)
class Places:
    by_name: dict[str, Pile | Bin] = field(default_factory=dict)


def test_sections_in_a_dictionary_have_kinds_units_and_strict_keys(tmp_path):
    path = tmp_path / "places.yaml"
    path.write_text("by_name: {a.b: {kind: bin, tilt_deg: 180}, c: {kind: pile}}")
    places = load_config(Places, "train", path)
    assert places == Places(by_name={"a.b": Bin(tilt=math.pi), "c": Pile()})
    assert parse_config(Places, config_to_dict(places), "") == places
    for text, message in (
        ("{a: {objects: 3}}", r"by_name\.a: missing key 'kind'; valid: bin, pile"),
        ("{a: {kind: bim}}", r"by_name\.a: unknown kind 'bim'; did you mean 'bin'"),
        ("{a: {kind: bin, objets: 3}}", r"by_name\.a of kind 'bin': unknown key 'objets'; did you mean 'objects'"),
    ):
        path.write_text(f"by_name: {text}")
        with pytest.raises(InputError, match=message):
            load_config(Places, "train", path)


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
