"""What input from outside may lead to: a value, or one line that a person can act on; never anything else."""

from collections.abc import Callable
from typing import Any

from graspnet.errors import InputError

__all__ = ["value_or_line"]


def value_or_line(read: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What `read` returns, and an empty text; or None and the one line of its InputError. Other errors are raised."""
    try:
        return read(*arguments), ""
    except InputError as error:
        line = str(error)
    assert line
    assert "\n" not in line
    return None, line
