"""Strict typed YAML configs: every key exists, every value has its type, or one line says what is wrong.

A config is a frozen dataclass beside what it configures. A YAML file may inherit (`base: NAME`), may spell an angle in
degrees or a length in millimetres (`max_tilt_deg: 5` sets `max_tilt`), and ends its life here: further on there are
only dataclasses in SI units.

A section is a field that holds a dataclass. What a section leaves out keeps the value that it has where the whole
section is left out. A field may hold one of several dataclasses, which a `kind: Literal[...]` in each tells apart:
`task: PileConfig | BinConfig`. Such a section inherits from the layers beneath it as long as it stays of their kind;
another kind begins it anew. Its kind alone may stand for it: `task: bin` is `task: {kind: bin}`.
"""

import dataclasses
import json
import math
import re
import types
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from graspnet.errors import InputError, unknown_name

__all__ = [
    "NO_YAML",
    "config_to_dict",
    "load_config",
    "parse_config",
    "parse_json",
    "parse_yaml",
    "preset_names",
    "preset_path",
    "read_mapping",
    "says",
    "with_overrides",
]

C = TypeVar("C")
UNITS = {"_deg": math.pi / 180, "_mm": 1e-3}
# What a text may be refused with: a date such as 2024-13-45, a number of 5000 digits, brackets without an end.
NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
MOST_FILES = 100  # that inherit from each other; more lead back to the first
KIND = "kind"  # the key that says which of several dataclasses a section is
FILE_SUFFIXES = {".yaml", ".yml", ".json", ".intr"}  # a name that ends otherwise is a preset's: `gqcnn_2.0`


def load_config(cls: type[C], room: str, source: str | Path, overrides: Iterable[str] = ()) -> C:
    """The config of dataclass `cls` from a preset of `configs/<room>/` or a file, with `key=value` overrides.

    Keys of overrides may be dotted (`scene.camera_height=0.6`). InputError: unknown name or key, wrong type, bad value.
    """
    path = preset_path(room, source)
    return _overridden(cls, _read_with_base(cls, path, room, seen=()), overrides, str(path))


def with_overrides(config: C, overrides: Iterable[str]) -> C:
    """The config with `key=value` overrides, as `load_config` has them."""
    return _overridden(type(config), config_to_dict(config), overrides, "config")


def parse_config(cls: type[C], data: Mapping[str, Any], where: str) -> C:
    """The dataclass `cls` from plain data (parsed YAML or JSON); `where` names the source in error messages."""
    return _dataclass(cls, _over({}, cls, data, where), where, "", None)


def config_to_dict(config: Any) -> dict[str, Any]:
    """Plain data (JSON-ready) of a config; `parse_config` turns it back into an equal one."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def preset_path(room: str, source: str | Path) -> Path:
    """The file of a preset NAME of `configs/<room>/`, or `source` itself where it is a file."""
    if not isinstance(source, str | Path):
        raise InputError(f"a {type(source).__name__} names no preset of configs/{room}/; expected a name or a file")
    path, names = Path(source), preset_names(room)
    if str(source) in names:
        return names[str(source)]
    if path.is_file():
        return path
    if path.suffix in FILE_SUFFIXES or path.parent != Path("."):
        raise InputError(f"{path}: no such file")
    raise unknown_name(f"{room} preset", str(source), names)


def preset_names(room: str) -> dict[str, Path]:
    """The presets that ship in `configs/<room>/`, by name."""
    folder = Path(str(resources.files("graspnet.configs"))) / room
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def says(room: str, source: str | Path, keys: Iterable[str], overrides: Iterable[str] = ()) -> bool:
    """Whether somebody set one of these dotted keys: an override, the file `source`, or a file that it inherits from.

    What a preset of `configs/<room>/` says, its user did not say. A key with a unit (`smallest_side_mm`) counts.
    """
    names = [(key + suffix).split(".") for key in keys for suffix in ("", *UNITS)]
    said = [_nested(key.split("."), _yaml_or_text(text)) for key, _, text in (o.partition("=") for o in overrides)]
    path = preset_path(room, source)
    presets = set(preset_names(room).values())
    while path not in presets:
        said.append(read_mapping(path, "keys and values"))
        base = said[-1].get("base")
        if not isinstance(base, str) or len(said) > MOST_FILES:
            break
        beside = path.parent / base
        path = beside if beside.is_file() else preset_path(room, base)
    return any(_holds(data, name) for data in said for name in names)


def read_mapping(path: Path, expected: str) -> dict[str, Any]:
    """Keys and values of a YAML or JSON file; `expected` says in the error what it should hold.

    Refuses a key that is given twice, which plain YAML would let the last one win. OpenCV's YAML is read, too: its
    first line `%YAML:1.0` is none of YAML's, and its matrices have a tag.
    """
    try:
        text = re.sub(r"\A%YAML:\S*[^\n]*\n", "", path.read_text(encoding="utf-8-sig"))
        if text.lstrip().startswith("<"):
            raise ValueError("it is XML")
        documents = [parse_json(text)] if path.suffix == ".json" else list(yaml.load_all(text, _StrictLoader))
    except (OSError, *NO_YAML) as error:
        raise InputError(f"{path}: not a YAML or JSON file ({_one_line(error)})") from None
    documents = [document for document in documents if document is not None]  # `ros2 topic echo` ends with a bare ---
    if not documents:
        return {}
    if len(documents) > 1 or not isinstance(documents[0], dict):
        found = type(documents[0]).__name__ if len(documents) == 1 else f"{len(documents)} documents"
        raise InputError(f"{path}: expected {expected}; found {found}")
    return documents[0]


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds. ValueError: it is none, a key stands in it twice, or its brackets nest without an end."""
    try:
        return json.loads(text, object_pairs_hook=_unrepeated)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_yaml(text: str) -> Any:
    """What a YAML or JSON text holds. One of NO_YAML: it is none, or a key stands in it twice."""
    return yaml.load(text, _StrictLoader)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON's object, unless a key stands in it twice."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"key {twice[0]!r} is given twice")
    return dict(pairs)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _overridden(cls: type[C], data: dict[str, Any], overrides: Iterable[str], where: str) -> C:
    """The config of `data` with overrides; what is wrong with its values names the override that brought it in."""
    overrides = _kinds_first(overrides)
    try:
        return parse_config(cls, _with(data, cls, overrides), where)
    except InputError:
        if not overrides:
            raise
        parse_config(cls, data, where)  # what was wrong before is told of its file
        cured = [k for k in range(len(overrides)) if _parses(cls, data, overrides[:k] + overrides[k + 1 :])]
        names = [overrides[k] for k in cured] if len(cured) == 1 else overrides
        where = f"override{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"
        return parse_config(cls, _with(data, cls, overrides), where)


def _with(data: dict[str, Any], cls: Any, overrides: Iterable[str]) -> dict[str, Any]:
    for override in overrides:
        data = _over(data, cls, _parse_override(cls, override), f"override {override!r}")
    return data


def _parses(cls: Any, data: dict[str, Any], overrides: Iterable[str]) -> bool:
    try:
        parse_config(cls, _with(data, cls, overrides), "")
    except InputError:
        return False
    return True


def _kinds_first(overrides: Iterable[str]) -> list[str]:
    """The overrides, `task.kind=bin` and `task=bin` before `task.tilt=0`: a kind decides which keys there are."""
    overrides = list(overrides)
    keys = [override.partition("=")[0] for override in overrides]

    def decides(override: str) -> bool:
        own = override.partition("=")[0]
        return own.rpartition(".")[2] == KIND or any(key.startswith(own + ".") for key in keys)

    return sorted(overrides, key=decides, reverse=True)


class _StrictLoader(yaml.SafeLoader):
    """YAML without repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node, unless a key stands in it twice."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if isinstance(key, str) and key in seen and key != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_opencv_matrix(self, node: yaml.MappingNode) -> dict[Hashable, Any]:
        """`!!opencv-matrix`: keys rows, cols, dt and data."""
        return self.construct_mapping(node, deep=True)


_StrictLoader.add_constructor("tag:yaml.org,2002:opencv-matrix", _StrictLoader.construct_opencv_matrix)


def _read_with_base(cls: Any, path: Path, room: str, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The file's keys over those of its bases, in SI units."""
    if path.resolve() in seen:
        raise InputError(f"{path}: `base` leads back to this file")
    data = read_mapping(path, "keys and values")
    base = data.pop("base", None)
    below: dict[str, Any] = {}
    if base is not None:
        if not isinstance(base, str):
            raise InputError(f"{path}: base is {base!r}; expected a preset's name or a file")
        beside = path.parent / base
        base_path = beside if beside.is_file() else preset_path(room, base)
        below = _read_with_base(cls, base_path, room, (*seen, path.resolve()))
    return _over(below, cls, data, str(path))


def _parse_override(cls: Any, override: str) -> dict[str, Any]:
    """`scene.camera_height=0.6` as nested keys."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"override {override!r}: expected key=value")
    names = key.split(".")
    is_text = _holds_text(cls, names)
    try:
        value = parse_yaml(text)
    except NO_YAML as error:
        if not is_text:
            raise InputError(f"override {override!r}: not a YAML value ({_one_line(error)})") from None
        value = text
    if is_text and value is not None:
        value = value if isinstance(value, str) else text  # a folder may be called 2024
    return _nested(names, value)


def _nested(names: list[str], value: Any) -> Any:
    for name in reversed(names):
        value = {name: value}
    return value


def _yaml_or_text(text: str) -> Any:
    try:
        return parse_yaml(text)
    except NO_YAML:
        return text


def _holds(data: Any, names: list[str]) -> bool:
    return not names or (isinstance(data, Mapping) and names[0] in data and _holds(data[names[0]], names[1:]))


def _holds_text(cls: Any, names: list[str]) -> bool:
    """Whether the field at the end of dotted names holds a text, in any of the dataclasses that it may stand in."""
    found = [cls]
    for name in names[:-1]:
        found = [inner for one in found for inner in _dataclasses_in(_fields(one).get(name))]
    return any(str in _options(_fields(one).get(names[-1])) for one in found)


def _over(below: dict[str, Any], cls: Any, data: Any, where: str) -> dict[str, Any]:
    """SI data `below` with a layer's keys over it, checked against the fields of `cls`; `_deg` and `_mm` become SI."""
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: expected keys and values, found {data!r}")
    hints = _fields(cls)
    own: dict[str, Any] = {}
    for key, value in data.items():
        name, factor = _si_name(str(key), hints)
        if name not in hints:
            raise unknown_name("key", str(key), hints, where)
        if name in own:
            raise InputError(f"{where}: {name!r} is given twice, in two units")
        inherited = below.get(name)
        if factor is not None and value is not None:
            value = _scaled(value, factor, f"{where}: {key}")
        elif _dataclasses_in(hints[name]) and value is not None:
            value = _section(inherited, hints[name], _default(cls, name), value, f"{where}: {key}")
        elif isinstance(inherited, dict) and isinstance(value, dict):
            value = _merged(inherited, value)
        own[name] = value
    return below | own


def _merged(below: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Keys and values of a free dictionary over those beneath it."""
    both = {
        key: _merged(below[key], value) if isinstance(below.get(key), dict) and isinstance(value, dict) else value
        for key, value in own.items()
    }
    return below | both


def _section(below: Any, hint: Any, default: Any, data: Any, where: str) -> dict[str, Any]:
    """As `_over`, of a section of one of the dataclasses in `hint`; with its kind, where it is one of several."""
    below = below if isinstance(below, dict) else {}
    kinds = _kinds_of(hint)
    if len(kinds) == 1:
        return _over(below, next(iter(kinds.values())), data, where)
    if isinstance(data, str):
        data = {KIND: data}
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: expected keys and values, found {data!r}")
    inherited = below.get(KIND, getattr(default, KIND, None))
    kind = data.get(KIND, inherited)
    if kind is None:
        raise InputError(f"{where}: missing key {KIND!r}; valid: {', '.join(sorted(kinds))}")
    if not isinstance(kind, str) or kind not in kinds:
        raise unknown_name(KIND, str(kind), kinds, where)
    return {KIND: kind} | _over(below if kind == inherited else {}, kinds[kind], data, f"{where} of kind {kind!r}")


def _kinds_of(hint: Any) -> dict[str, Any]:
    """The dataclasses that a field may hold, by their kinds; one alone needs no `kind`."""
    found = _dataclasses_in(hint)
    if len(found) == 1:
        return {"": found[0]}
    return {kind: one for one in found for kind in get_args(_fields(one)[KIND])}


def _default(cls: Any, name: str) -> Any:
    """What a field holds where nothing is said; None where it must be said."""
    (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _fields(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _si_name(key: str, hints: dict[str, Any]) -> tuple[str, float | None]:
    for suffix, factor in UNITS.items():
        if key.endswith(suffix) and key not in hints and key.removesuffix(suffix) in hints:
            return key.removesuffix(suffix), factor
    return key, None


def _scaled(value: Any, factor: float, where: str) -> Any:
    if isinstance(value, list | tuple):
        return [_scaled(entry, factor, where) for entry in value]
    return _number(value, where) * factor


def _dataclasses_in(hint: Any) -> list[Any]:
    """The dataclasses that a field may hold, as `X`, `X | None` or `X | Y`; none for any other field."""
    return [option for option in _options(hint) if dataclasses.is_dataclass(option)]


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _dataclass(cls: Any, data: dict[str, Any], where: str, path: str, default: Any) -> Any:
    """An instance of `cls`, which keeps what `default` (one, or None) has and `data` does not say.

    `path` ("scene.", or nothing at the top) leads to it in the file.
    """
    hints = _fields(cls)
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and default is None and field.name not in data:
            raise InputError(f"{where}: missing key {path + field.name!r}")
    values = {}
    for name, value in data.items():
        kept = _default(cls, name) if default is None else getattr(default, name)
        values[name] = _value(hints[name], value, where, path + name, kept)
    try:
        return cls(**values) if default is None else dataclasses.replace(default, **values)
    except InputError as error:
        raise InputError(f"{where}: {path}{error}") from None


def _value(hint: Any, value: Any, where: str, path: str, default: Any = None) -> Any:
    """What YAML gave, as the field's type; a section keeps what `default` has and the file does not say."""
    options = _options(hint)
    if value is None and type(None) in options:
        return None
    here = f"{where}: {path}"
    if kinds := (_kinds_of(hint) if _dataclasses_in(hint) else {}):
        if not isinstance(value, dict):
            raise InputError(f"{here} is {value!r}; expected keys and values")
        chosen = next(iter(kinds.values())) if len(kinds) == 1 else kinds[value[KIND]]
        return _dataclass(chosen, value, where, path + ".", default if type(default) is chosen else None)
    kind = next(option for option in options if option is not type(None))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool) not in {isinstance(a, bool) for a in arguments}:
            raise unknown_name(path, str(value), map(str, arguments), where)
        return value
    if origin is tuple:
        return _sequence(arguments, value, where, path)
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{here} is {value!r}; expected keys and values")
        if _dataclasses_in(arguments[1]):
            value = {key: _section({}, arguments[1], None, entry, f"{here}.{key}") for key, entry in value.items()}
        return {str(key): _value(arguments[1], entry, where, f"{path}.{key}") for key, entry in value.items()}
    if kind is float:
        return _number(value, here)
    names = {int: "a whole number", bool: "true or false", str: "a text"}
    if type(value) is not kind:
        raise InputError(f"{here} is {value!r}; expected {names[kind]}")
    return value


def _sequence(arguments: tuple[Any, ...], value: Any, where: str, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: {path} is {value!r}; expected a list")
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise InputError(f"{where}: {path} has {len(value)} entries; expected {len(kinds)}")
    return tuple(
        _value(kind, entry, where, f"{path}[{i}]") for i, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _number(value: Any, where: str) -> float:
    """A float from YAML's int, float or '1e-3' (a string in YAML 1.1); never from a boolean, never NaN or infinite."""
    refusal = InputError(f"{where} is {value!r}; expected a number")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refusal
    try:
        number = float(value)
    except (ValueError, OverflowError):  # a whole number of 400 digits
        raise refusal from None
    if math.isnan(number):
        raise refusal
    if math.isinf(number):
        raise InputError(f"{where} is {value!r}; it must be a finite number")
    return number


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return config_to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return float(value) if isinstance(value, float) else value  # NumPy's 64 bits are a float, too, and print otherwise
