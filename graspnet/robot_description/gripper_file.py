"""A derived gripper as a file that says where each number is from, and as a table for the terminal."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from graspnet.robot_description.from_urdf import DerivedGripper

__all__ = ["gripper_yaml", "pose_lines", "source_table"]


def gripper_yaml(derived: DerivedGripper, description: Path, name: str | None) -> str:
    """The YAML of a gripper file; its comments hold the sources, the notes and hand_from_grasp."""
    notes = "".join(f"# {_one_line(note)}\n" for note in derived.notes)
    pose = "".join(f"# {line}\n" for line in pose_lines(derived))
    numbers = [f"{key}: {_yaml(getattr(derived.gripper, key))}" for key in derived.sources]
    width = max(len(number) for number in numbers)
    lines = [
        f"{number:<{width}}  # {_one_line(source)}\n"
        for number, source in zip(numbers, derived.sources.values(), strict=True)
    ]
    named = f"name: {_quoted(name)}\n" if name is not None else ""
    return (
        f"# Derived from {description.name} by `graspnet gripper`; metres and newtons.\n"
        f"{notes}{pose}kind: parallel_jaw\n{''.join(lines)}{named}"
    )


def source_table(derived: DerivedGripper) -> str:
    """Field, value, and where it is from."""
    rows = [(key, _yaml(getattr(derived.gripper, key)), source) for key, source in derived.sources.items()]
    rows = [("field", "value", "where from"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in rows)


def pose_lines(derived: DerivedGripper) -> list[str]:
    """hand_from_grasp as text, for whoever sends a plan to a robot."""
    rows: Float64[np.ndarray, "4 4"] = np.round(derived.root_from_grasp, 9) + 0.0  # no -0
    return [
        f"hand_from_grasp: the pose of the grasp frame in link {_one_line(derived.root)}, while the hand is open",
        *(f"  [{', '.join(f'{entry:.9g}' for entry in row)}]" for row in rows),
    ]


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) >= 1e-6 or value == 0 else repr(value)


def _quoted(name: str) -> str:
    import json

    return json.dumps(name)  # a JSON string is a YAML string, whatever is in it


def _one_line(text: str) -> str:
    return " ".join(text.split())
