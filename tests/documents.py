"""Blocks and commands that the documents show, for the tests that read or run them."""

import re
from pathlib import Path

__all__ = ["code_blocks", "joined_lines"]


def code_blocks(path: Path, language: str = "") -> list[str]:
    """What stands between fences of that language, or of none."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [text for kind, text in blocks if kind == language]


def joined_lines(block: str) -> list[str]:
    """The lines of a block, those that end in a backslash joined with their next."""
    return re.sub(r"\\\n\s*", "", block).splitlines()
