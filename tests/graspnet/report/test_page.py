"""A report page stands alone and says what it was given, whatever characters are in it."""

import re
from html.parser import HTMLParser

import numpy as np

from graspnet.drawing import new_figure
from graspnet.report.page import (
    Section,
    details_html,
    figure_html,
    paragraph,
    picture_html,
    table_html,
    write_report,
)


def test_a_page_needs_no_other_file_and_no_network(tmp_path):
    figure, axes = new_figure()
    axes[0, 0].plot([0, 1], [0, 1])
    write_report(tmp_path / "r.html", "Title", [Section("One", (figure_html(figure, "a line"),))])
    page = (tmp_path / "r.html").read_text()
    assert re.findall(r'src="([^"]{22})', page) == ["data:image/png;base64,"]
    assert "http" not in page
    assert 'alt="a line"' in page


def test_every_tag_is_closed(tmp_path):
    table = table_html(["a", "b"], [[1, 2], [3, 4]])
    blocks = (paragraph("x"), table, details_html("more", table), picture_html([np.zeros((8, 8, 3), np.uint8)], "y"))
    write_report(tmp_path / "r.html", "Title", [Section("One", blocks)])
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Checker().feed((tmp_path / "r.html").read_text())
    assert open_tags == []


def test_text_is_text_and_not_markup():
    assert paragraph("1 < 2 & <b>") == "<p>1 &lt; 2 &amp; &lt;b&gt;</p>"
    assert "<summary>1 &lt; 2</summary>" in details_html("1 < 2", "")
    assert 'alt="&quot;a&quot;"' in picture_html([np.zeros((8, 8, 3), np.uint8)], '"a"')
    assert "<td>&lt;x&gt;</td>" in table_html(["<h>"], [["<x>"]])
