"""The journal: what a killed simulator takes up again."""

from datetime import UTC, datetime
from pathlib import Path

from smsgw.simulator.journal import Journal
from smsgw.simulator.ledger import Entry

AT = datetime(2026, 11, 21, tzinfo=UTC)


def entry(number: int) -> Entry:
    return Entry(reference=f"r-{number}", message_id=f"m-{number}", accepted_at=AT)


def test_a_new_run_knows_what_was_accepted_and_what_still_has_to_be_reported(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal")
    for number in (1, 2, 3):
        first.accept(entry(number), None if number == 3 else "delivered")
    first.report(entry(1))
    first.close()

    second = Journal(tmp_path / "journal")

    assert ["m-1", "m-2", "m-3"] == [each.message_id for each in second.entries("default")]
    assert [("m-2", "delivered")] == [(each.message_id, status) for each, status in second.unreported()]
    second.close()


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"accepted":{"reference":"r","message_id"')

    journal = Journal(path)

    assert [] == journal.entries("default")
    journal.close()


def test_without_a_path_nothing_is_kept() -> None:
    journal = Journal(None)

    journal.accept(entry(1), "delivered")

    assert [] == journal.entries("default")
    assert [] == journal.unreported()


def test_what_was_accepted_before_a_reset_is_forgotten_and_still_reported(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal")
    other = Entry(reference="r", message_id="m-other", accepted_at=AT, provider="other")
    first.accept(entry(1), "delivered")
    first.accept(other, None)
    first.reset("default")
    first.accept(entry(2), None)
    first.close()

    second = Journal(tmp_path / "journal")

    assert ["m-2"] == [each.message_id for each in second.entries("default")]
    assert [other] == second.entries("other")
    assert ["m-1"] == [each.message_id for each, _ in second.unreported()]
    second.close()


def test_a_journal_of_an_earlier_release_is_of_the_default_provider(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(
        b'{"accepted":{"reference":"r","message_id":"m-1","accepted_at":"2026-11-21T00:00:00Z"},"will_report":"delivered"}\n'
    )

    journal = Journal(path)

    assert ["m-1"] == [each.message_id for each in journal.entries("default")]
    assert ["delivered"] == [status for _, status in journal.unreported()]
    journal.close()
