"""The one error that a person can mend: what was asked, what was found, what is valid."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "unknown_name"]


class InputError(ValueError):
    """Bad input or usage. Its message is one line that names the file, the field and the remedy; exit status 2.

    >>> import graspnet as gn
    >>> try:
    ...     gn.load_camera("primesens")
    ... except gn.InputError as error:
    ...     print(error)
    unknown cameras preset 'primesens'; did you mean 'primesense'? Valid: phoxi, primesense, realsense_d435
    """


def unknown_name(kind: str, name: str, valid: Iterable[str], where: str = "") -> InputError:
    """An InputError for a name that does not exist, with the nearest one that does."""
    names = sorted(valid)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    prefix = f"{where}: " if where else ""
    return InputError(f"{prefix}unknown {kind} {name!r}{hint} Valid: {', '.join(names) or 'none'}")
