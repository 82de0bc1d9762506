"""Strict typed YAML configs: every key exists, every value has its type, or one line says what is wrong.

A config is a frozen dataclass beside what it configures. A YAML file may inherit (`base: NAME`), may spell an angle in
degrees or a length in millimetres (`max_tilt_deg: 5` sets `max_tilt`), and ends its life here: further on there are
only dataclasses in SI units.
"""

import dataclasses
import types
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import dacite
import numpy as np
import yaml

from graspnet.errors import InputError, unknown_name

__all__ = ["config_to_dict", "load_config", "parse_config", "preset_names", "preset_path"]

C = TypeVar("C")
_UNITS = {"_deg": np.pi / 180, "_mm": 1e-3}


def load_config(cls: type[C], room: str, source: str | Path, overrides: tuple[str, ...] = ()) -> C:
    """The config of dataclass `cls` from a preset of `configs/<room>/` or a file, with `key=value` overrides.

    Keys of overrides may be dotted (`scene.camera_height=0.6`). InputError: unknown name or key, wrong type, bad value.
    """
    path = preset_path(room, source)
    data = _read_with_base(path, room, seen=())
    for override in overrides:
        _apply_override(data, override)
    return parse_config(cls, data, str(path))


def parse_config(cls: type[C], data: dict[str, Any], where: str) -> C:
    """The dataclass `cls` from plain data (parsed YAML or JSON); `where` names the source in error messages."""
    try:
        converted = _to_si(cls, data, where)
        config = dacite.Config(strict=True, cast=[tuple], type_hooks={float: _number, int: _integer})
        return dacite.from_dict(cls, converted, config)
    except dacite.MissingValueError as error:
        raise InputError(f"{where}: missing key {error.field_path!r}") from None
    except dacite.DaciteError as error:
        raise InputError(f"{where}: {str(error).splitlines()[0]}") from None
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(where) else f"{where}: {message}") from None


def config_to_dict(config: Any) -> dict[str, Any]:
    """Plain data (JSON-ready) of a config; `parse_config` turns it back into an equal one."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def preset_path(room: str, source: str | Path) -> Path:
    """The file of a preset NAME of `configs/<room>/`, or `source` itself where it is a file."""
    path = Path(source)
    if path.suffix or path.parent != Path("."):
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        return path
    names = preset_names(room)
    if str(source) not in names:
        raise unknown_name(f"{room} preset", str(source), names)
    return names[str(source)]


def preset_names(room: str) -> dict[str, Path]:
    """The presets that ship in `configs/<room>/`, by name."""
    folder = Path(str(resources.files("graspnet.configs"))) / room
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _read_with_base(path: Path, room: str, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise InputError(f"{path}: `base` leads back to this file")
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML file ({str(error).splitlines()[0]})") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected keys and values, found {type(data).__name__}")
    base = data.pop("base", None)
    if base is None:
        return data
    return _merged(_read_with_base(preset_path(room, base), room, (*seen, path)), data)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        inherited = result.get(key)
        result[key] = _merged(inherited, value) if isinstance(inherited, dict) and isinstance(value, dict) else value
    return result


def _apply_override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise InputError(f"override {override!r}: expected key=value")
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise InputError(f"override {override!r}: {parent!r} holds a value, not further keys")
    data[last] = yaml.safe_load(text)


def _to_si(cls: Any, data: Any, where: str) -> dict[str, Any]:
    """Keys checked against the dataclass's fields (recursively), `_deg` and `_mm` turned into SI."""
    if not isinstance(data, dict):
        raise InputError(f"{where}: expected keys and values, found {data!r}")
    hints = get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    result: dict[str, Any] = {}
    for key, value in data.items():
        name, factor = _si_name(str(key), fields)
        if name not in fields:
            raise unknown_name("key", str(key), fields, where)
        if name in result:
            raise InputError(f"{where}: {name!r} is given twice, in two units")
        nested = _dataclass_in(fields[name])
        if factor is not None:
            value = _scaled(value, factor, f"{where}: {key}")
        elif nested is not None and value is not None:
            value = _to_si(nested, value, f"{where}: {key}")
        result[name] = value
    return result


def _si_name(key: str, fields: dict[str, Any]) -> tuple[str, float | None]:
    for suffix, factor in _UNITS.items():
        if key.endswith(suffix) and key not in fields and key.removesuffix(suffix) in fields:
            return key.removesuffix(suffix), factor
    return key, None


def _scaled(value: Any, factor: float, where: str) -> Any:
    if isinstance(value, list):
        return [_scaled(entry, factor, where) for entry in value]
    try:
        return _number(value) * factor
    except ValueError:
        raise InputError(f"{where} is {value!r}; expected a number") from None


def _dataclass_in(hint: Any) -> Any:
    """The dataclass that a field holds, itself or as `X | None`; None for any other field."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((option for option in options if dataclasses.is_dataclass(option)), None)


def _number(value: Any) -> float:
    """A float from YAML's int, float or '1e-3' (a string in YAML 1.1); never from a boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{value!r} is not a number")
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{value!r} is not a number") from None


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{value!r} is not a whole number")
    return value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return config_to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value
