"""Runs alone what failed in the last run of the suite, and says what only fails in company.

A test that fails beside others and passes alone is unsteady, and a bug of the product or the test; but it is another
finding than a fault, and a machine without a free core must not be able to make one look like the other.
"""

import json
import subprocess
import sys
from pathlib import Path

MOST = 15
"""More failures than these are no matter of load."""
FAILED = Path(__file__).parent.parent / ".pytest_cache" / "v" / "cache" / "lastfailed"


def main(arguments: list[str]) -> int:
    """Return 0 when there was little that failed, and all of it passes alone."""
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []
    if not 0 < len(failed) <= MOST:
        sys.stdout.write(f"{len(failed)} tests failed: nothing is run again (1 to {MOST} are)\n")
        return 1
    ended = subprocess.run([sys.executable, "-m", "pytest", "-n", "0", *failed, *arguments], check=False)
    if ended.returncode == 0:
        sys.stdout.write(f"\n{'!' * 20} UNSTEADY: {len(failed)} tests failed beside others and pass alone {'!' * 20}\n")
        sys.stdout.writelines(f"UNSTEADY {each}\n" for each in failed)
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
