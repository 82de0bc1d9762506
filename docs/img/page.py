"""The pictures of reports: a page, or the part of it that begins with one of its sections, as a browser shows it.

    python docs/img/page.py out/sim/report.html docs/img/report.png --height 1900
    python docs/img/page.py out/sim/report.html docs/img/simulation.png --section how-attempts-ended --height 1250

It needs Chromium; --browser says where, if it is not `chromium`. A section is named by its anchor, as links to it show.
"""

from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

import click
from PIL import Image

WIDTH = 1000  # px of the page: a small laptop's
SHOWN = 760  # px of the picture


@click.command()
@click.argument("page", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--section", default="", help="Its anchor; without it, the page's beginning.")
@click.option("--height", default=1500, show_default=True, help="Of the part that is shown, px of the page.")
@click.option("--browser", default="chromium", show_default=True)
def main(page: Path, picture: Path, section: str, height: int, browser: str) -> None:
    """Write PICTURE of a part of PAGE."""
    with TemporaryDirectory() as folder:
        shot, part = Path(folder) / "shot.png", Path(folder) / "part.html"
        part.write_text(_beginning_with(section, page.read_text()))
        settings = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}")
        window = (f"--window-size={WIDTH},{height}", f"--screenshot={shot}", "--virtual-time-budget=5000")
        run([browser, *settings, *window, part.as_uri()], check=True, capture_output=True)
        image = Image.open(shot).convert("RGB")
        image = image.resize((SHOWN, round(image.height * SHOWN / image.width)), Image.Resampling.LANCZOS)
        image.save(picture, optimize=True)


def _beginning_with(section: str, page: str) -> str:
    """The page without what stands before a section; headless browsers do not scroll to an anchor."""
    if not section:
        return page
    heading = f'<h2 id="{section}">'
    if heading not in page:
        raise click.UsageError(f"the page has no section {section!r}")
    return page[: page.index("<h1>")] + page[page.index(heading) :]


if __name__ == "__main__":
    main()
