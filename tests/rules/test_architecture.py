"""The star: rooms are strangers to each other and the core knows nobody."""

import subprocess
import sys
from pathlib import Path

from tests.rules.sources import ROOT, SOURCES


def test_the_import_contracts_hold() -> None:
    command = str(Path(sys.executable).with_name("lint-imports"))

    ran = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_file_says_why_it_exists_and_stays_readable() -> None:
    lengths = {path: path.read_text("utf-8") for path in SOURCES}

    silent = [str(path) for path, text in lengths.items() if text.count("\n") > 1 and not text.startswith('"""')]
    long = [str(path) for path, text in lengths.items() if text.count("\n") > 320]
    assert silent == []
    assert long == []
