"""Which tests run beside which: files that start the whole product are spread among those that do not.

In the order of the folders, four workers would each start a product, brokers included, at the same time; two cores do
not carry that, and what is measured then is the machine.
"""

from collections.abc import Sequence
from itertools import zip_longest

import pytest
from xdist.scheduler import LoadFileScheduling

ONE_AFTER_ANOTHER = ("tests/failpoints/", "tests/browser/")
"""Each folder on one worker: its tests share servers, or a browser, that take long to start."""
MANY_PROCESSES = (*ONE_AFTER_ANOTHER, "tests/chaos/", "tests/faults/", "tests/invariants/", "tests/journey/")


class Spread(LoadFileScheduling):
    """A file belongs to one worker, and so does the folder whose rigs share servers."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with every file in one piece, and files of many processes evenly between the others."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(scope_of(item.nodeid), []).append(item)
    many = [name for name in files if name.startswith(MANY_PROCESSES)]
    many.sort(key=lambda name: name not in ONE_AFTER_ANOTHER)
    few = [name for name in files if name not in set(many)]
    between = -(-len(few) // max(1, len(many)))
    shares = [few[start : start + between] for start in range(0, len(few), between)] if few else []
    order = [name for one, others in zip_longest(many, shares) for name in ([one] if one else []) + (others or [])]
    return [item for name in order for item in files[name]]


def scope_of(nodeid: str) -> str:
    """Return what goes to one worker together with this test: its folder or its file."""
    folder = next((each for each in ONE_AFTER_ANOTHER if nodeid.startswith(each)), None)
    return folder or nodeid.partition("::")[0]
