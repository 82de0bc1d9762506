"""Where the checkout and the shared data lie, for tests in any folder."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"  # of nobody's making here; tests that need it skip where it is absent
