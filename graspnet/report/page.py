"""A report page: one self-contained HTML file of sections, tables and figures."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from graspnet.drawing import png_bytes, webp_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "NUMBER",
    "Section",
    "details_html",
    "figure_html",
    "paragraph",
    "picture_html",
    "table_html",
    "write_report",
]

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff; max-width: 70rem; margin: 0 auto;
  padding: 1rem; overflow-wrap: break-word; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
p { max-width: 48rem; } .opening p { font-size: 1.1rem; }
nav { background: #f3f4f6; border-radius: 0.3rem; padding: 0.6rem 1rem; margin: 1.5rem 0; }
nav ul { display: inline; margin: 0; padding: 0; } nav li { display: inline-block; margin-right: 1rem; }
a { color: #0b57b0; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #4b5159; font-size: 0.9rem; }
figure.beside { display: inline-block; vertical-align: top; max-width: 17rem; margin: 0.5rem 1rem 0.5rem 0; }
div.table { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.3rem 1.2rem 0.3rem 0; text-align: left; vertical-align: top; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; border-bottom: 2px solid #999; }
td { border-top: 1px solid #ddd; font-variant-numeric: tabular-nums; }
td.long { white-space: normal; min-width: 14rem; overflow-wrap: anywhere; } .number { text-align: right; }
"""
LONG = 40  # A cell with more characters is broken into lines.
NUMBER = re.compile(r"[+−-]?[\d.,]+(e-?\d+)? ?%?")  # a cell that is a number


@dataclass(frozen=True)
class Section:
    """A heading and the HTML under it, from `paragraph`, `table_html` and `figure_html`."""

    title: str
    blocks: tuple[str, ...]


def write_report(path: Path, title: str, sections: Sequence[Section], opening: Sequence[str] = ()) -> None:
    """Write the page: title, opening, a list of contents that leads to the sections, and the sections.

    opening: blocks that say what the page found, to somebody who reads nothing else. The page needs no other file and
    no network.
    """
    anchors = _anchors([section.title for section in sections])
    found = '<div class="opening">' + "\n".join(opening) + "</div>\n" if opening else ""
    body = "\n".join(
        f'<h2 id="{anchor}">{html.escape(section.title)}</h2>\n' + "\n".join(section.blocks)
        for anchor, section in zip(anchors, sections, strict=True)
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
    )
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>{html.escape(title)}</h1>\n{found}'
    path.write_text(page + _contents(anchors, sections) + body + "\n</body></html>\n")


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def table_html(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of plain values, which scrolls by itself where the page is narrower. A blank header is left out.

    Columns of nothing but numbers are aligned to the right.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    numbers = [bool(cells) and all(NUMBER.fullmatch(row[k]) for row in cells) for k in range(len(header))]
    names = "".join(
        f"<th{_class(name, number)}>{html.escape(name)}</th>" for name, number in zip(header, numbers, strict=True)
    )
    head = f"<thead><tr>{names}</tr></thead>" if any(header) else ""
    lines = (
        "".join(
            f"<td{_class(cell, number)}>{html.escape(cell)}</td>" for cell, number in zip(row, numbers, strict=True)
        )
        for row in cells
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="table"><table>{head}<tbody>{body}</tbody></table></div>'


def figure_html(figure: "Figure", caption: str) -> str:
    """A matplotlib figure as an embedded PNG with a caption, which is its text alternative too."""
    return _image_html(png_bytes(figure, dpi=90), "png", caption)


def picture_html(pictures: Sequence[UInt8[np.ndarray, "H W 3"]], caption: str, interval: float = 0.0) -> str:
    """A picture, or an animation with `interval` seconds each, as an embedded WebP; films stand side by side."""
    return _image_html(webp_bytes(pictures, interval), "webp", caption, beside=len(pictures) > 1)


def details_html(summary: str, block: str) -> str:
    """A block that is folded up under a line of text."""
    return f"<details><summary>{html.escape(summary)}</summary>{block}</details>"


def _anchors(titles: Sequence[str]) -> list[str]:
    """A name for each section that a link can lead to, made of its title; a title that comes again gets a number."""
    anchors: list[str] = []
    for title in titles:
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        free = (name for k in count(1) if (name := plain if k == 1 else f"{plain}-{k}") not in anchors)
        anchors.append(next(free))
    return anchors


def _contents(anchors: Sequence[str], sections: Sequence[Section]) -> str:
    """Links to the sections; a page of one section needs none."""
    if len(sections) < 2:
        return ""
    links = (f'<li><a href="#{a}">{html.escape(s.title)}</a></li>' for a, s in zip(anchors, sections, strict=True))
    return f"<nav><b>Contents:</b> <ul>{' '.join(links)}</ul></nav>\n"


def _class(cell: str, number: bool) -> str:
    if number:
        return ' class="number"'
    return ' class="long"' if len(cell) > LONG else ""


def _image_html(data: bytes, kind: str, caption: str, beside: bool = False) -> str:
    text, place = html.escape(caption, quote=True), ' class="beside"' if beside else ""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<figure{place}><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
