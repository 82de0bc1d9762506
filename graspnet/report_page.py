"""A report page: one self-contained HTML file of sections, tables and figures."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graspnet.drawing import png_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Section", "figure_html", "paragraph", "table_html", "write_report"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
figure { margin: 1rem 0; } img { max-width: 100%; } figcaption { color: #555; font-size: 0.9rem; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: 0.3rem 0.8rem; text-align: left; }
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
    data = base64.b64encode(png_bytes(figure, dpi=90)).decode()
    text = html.escape(caption, quote=True)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
