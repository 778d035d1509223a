"""The books of the simulated provider."""

from datetime import UTC, datetime, timedelta

from smsgw.simulator.ledger import Entry, Ledger

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def entry(reference: str, message_id: str) -> Entry:
    return Entry(reference=reference, message_id=message_id, accepted_at=NOW)


def test_the_same_reference_twice_is_two_messages() -> None:
    ledger = Ledger(10)

    ledger.add(entry("r", "m-1"))
    ledger.add(entry("other", "m-2"))
    ledger.add(entry("r", "m-3"))

    assert [each.message_id for each in ledger.entries()] == ["m-1", "m-2", "m-3"]
    assert [each.message_id for each in ledger.entries("r")] == ["m-1", "m-3"]
    assert ledger.newest("r") == entry("r", "m-3")
    assert ledger.newest("unknown") is None


def test_it_is_bounded_and_forgets_the_oldest() -> None:
    ledger = Ledger(2)

    for number in range(1000):
        ledger.add(entry(f"r-{number % 3}", f"m-{number}"))

    assert [each.message_id for each in ledger.entries()] == ["m-998", "m-999"]
    assert ledger.newest("r-1") is None
    assert [each.message_id for each in ledger.entries("r-0")] == ["m-999"]


def test_a_number_and_a_moment_choose() -> None:
    ledger = Ledger(10)
    for second, to in enumerate(("+491", "+492", "+491")):
        at = NOW + timedelta(seconds=second)
        ledger.add(Entry(reference="", message_id=f"m-{second}", accepted_at=at, to=to))

    assert [each.message_id for each in ledger.entries(to="+491")] == ["m-0", "m-2"]
    assert [each.message_id for each in ledger.entries(since=NOW + timedelta(seconds=1))] == ["m-1", "m-2"]
    assert ledger.newest("") is None


def test_it_can_be_emptied() -> None:
    ledger = Ledger(1)
    ledger.add(entry("r", "m-1"))

    ledger.clear()
    ledger.add(entry("r", "m-2"))
    ledger.add(entry("s", "m-3"))

    assert [each.message_id for each in ledger.entries()] == ["m-3"]
