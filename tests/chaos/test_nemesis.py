"""The nemesis keeps to its schedule, undoes what it did, and breaks nothing twice at once."""

import threading

import pytest

from tests.chaos.nemesis import Nemesis
from tests.chaos.schedule import Fault


class Recorded:
    """A component that only remembers."""

    def __init__(self, *, is_stubborn: bool = False) -> None:
        self.said: list[str] = []
        self._is_stubborn = is_stubborn

    def begin(self, kind: str) -> None:
        """Note it."""
        self.said.append(f"begin {kind}")

    def end(self, kind: str) -> None:
        """Note it, or fail."""
        self.said.append(f"end {kind}")
        if self._is_stubborn:
            raise ValueError(kind)

    def heal(self) -> None:
        """Note it."""
        self.said.append("heal")


def test_every_fault_begins_and_ends_one_after_the_other_at_one_component() -> None:
    one, other = Recorded(), Recorded()
    faults = [Fault(0, 0.3, "one", "kill"), Fault(0.1, 0, "other", "cut"), Fault(0.2, 0, "one", "freeze")]

    happenings = Nemesis(faults, {"one": one, "other": other}).wait()

    assert one.said == ["begin kill", "end kill", "begin freeze", "end freeze"]
    assert other.said == ["begin cut", "end cut"]
    assert [each.fault.kind for each in happenings] == ["kill", "cut", "freeze"]
    assert (happenings[0].ended_at - happenings[0].began_at).total_seconds() >= 0.3


def test_a_stop_undoes_what_has_begun_and_begins_nothing_more() -> None:
    begun = threading.Event()

    class Signalling(Recorded):
        def begin(self, kind: str) -> None:
            super().begin(kind)
            begun.set()

    one = Signalling()
    nemesis = Nemesis([Fault(0, 60, "one", "kill"), Fault(50, 1, "one", "freeze")], {"one": one})
    begun.wait(10)
    nemesis.stop()

    assert one.said == ["begin kill", "end kill"]
    assert [each.fault.kind for each in nemesis.wait()] == ["kill"]


def test_a_fault_that_cannot_be_undone_is_told() -> None:
    with pytest.raises(ValueError, match="kill"):
        Nemesis([Fault(0, 0, "one", "kill")], {"one": Recorded(is_stubborn=True)}).wait()
