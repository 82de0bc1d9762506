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


def test_the_contents_lead_to_every_section_even_where_two_have_one_name(tmp_path):
    titles = ["Easy & hard <objects>", "Twice", "Twice", "Δ"]
    write_report(tmp_path / "r.html", "Title", [Section(title, ()) for title in titles], [paragraph("What was found.")])
    page = (tmp_path / "r.html").read_text()
    targets = re.findall(r'href="#([^"]+)"', page)
    assert targets == re.findall(r'<h2 id="([^"]+)"', page)
    assert len(set(targets)) == 4
    assert page.index("</h1>") < page.index("What was found.") < page.index("<nav>") < page.index("<h2")


def test_columns_of_numbers_alone_are_aligned_to_the_right_and_long_cells_are_broken():
    table = table_html(["n", "mixed", "text"], [[1, "2.5", "x" * 60], ["−3.5 %", "– of 3", "y"]])
    assert table.count('<td class="number">') == 2
    assert table.count('<th class="number">') == 1
    assert table.count('<td class="long">') == 1


def test_text_is_text_and_not_markup():
    assert paragraph("1 < 2 & <b>") == "<p>1 &lt; 2 &amp; &lt;b&gt;</p>"
    assert "<summary>1 &lt; 2</summary>" in details_html("1 < 2", "")
    assert 'alt="&quot;a&quot;"' in picture_html([np.zeros((8, 8, 3), np.uint8)], '"a"')
    assert "<td>&lt;x&gt;</td>" in table_html(["<h>"], [["<x>"]])
