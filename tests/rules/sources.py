"""Where the repository and its sources are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "smsgw"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)
