"""A report page: one self-contained HTML file of sections, tables and figures."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from graspnet.drawing import png_bytes, webp_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Section", "details_html", "figure_html", "paragraph", "picture_html", "table_html", "write_report"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
figure { margin: 1rem 0; } img { max-width: 100%; } figcaption { color: #555; font-size: 0.9rem; }
figure.beside { display: inline-block; vertical-align: top; max-width: 20rem; margin: 0.5rem 1rem 0.5rem 0; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { padding: 0.3rem 0.8rem 0.3rem 0; text-align: left; vertical-align: top; }
td { border-top: 1px solid #ddd; font-variant-numeric: tabular-nums; }
"""


@dataclass(frozen=True)
class Section:
    """A heading and the HTML under it, from `paragraph`, `table_html` and `figure_html`."""

    title: str
    blocks: tuple[str, ...]


def write_report(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page; it needs no other file and no network."""
    body = "\n".join(f"<h2>{html.escape(s.title)}</h2>\n" + "\n".join(s.blocks) for s in sections)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>{html.escape(title)}</h1>\n{body}\n'
    path.write_text(page + "</body></html>\n")


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def table_html(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of plain values."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    lines = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def figure_html(figure: "Figure", caption: str) -> str:
    """A matplotlib figure as an embedded PNG with a caption, which is its text alternative too."""
    return _image_html(png_bytes(figure, dpi=90), "png", caption)


def picture_html(pictures: Sequence[UInt8[np.ndarray, "H W 3"]], caption: str, interval: float = 0.0) -> str:
    """A picture, or an animation with `interval` seconds each, as an embedded WebP; films stand side by side."""
    return _image_html(webp_bytes(pictures, interval), "webp", caption, beside=len(pictures) > 1)


def details_html(summary: str, block: str) -> str:
    """A block that is folded up under a line of text."""
    return f"<details><summary>{html.escape(summary)}</summary>{block}</details>"


def _image_html(data: bytes, kind: str, caption: str, beside: bool = False) -> str:
    text, place = html.escape(caption, quote=True), ' class="beside"' if beside else ""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<figure{place}><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
