"""A report page stands alone and says what it was given, whatever characters are in it."""

import re
from html.parser import HTMLParser

from graspnet.drawing import new_figure
from graspnet.report_page import Section, figure_html, paragraph, table_html, write_report


def test_a_page_needs_no_other_file_and_no_network(tmp_path):
    figure, axes = new_figure()
    axes[0, 0].plot([0, 1], [0, 1])
    write_report(tmp_path / "r.html", "Title", [Section("One", (figure_html(figure, "a line"),))])
    page = (tmp_path / "r.html").read_text()
    assert re.findall(r'src="([^"]{22})', page) == ["data:image/png;base64,"]
    assert "http" not in page
    assert 'alt="a line"' in page


def test_every_tag_is_closed(tmp_path):
    blocks = (paragraph("x"), table_html(["a", "b"], [[1, 2], [3, 4]]))
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
    assert "<td>&lt;x&gt;</td>" in table_html(["<h>"], [["<x>"]])
