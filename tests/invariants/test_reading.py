"""The ledgers of an embedded set are read as those of the production set are: the same check judges both."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.invariants import Books, Caller, Row, check, read_books
from tests.journey.process import Process, until
from tests.servers import free_port

ENDING_UNKNOWN = "+447700900005"
"""The simulated provider takes it and never answers."""


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Process]:
    port = free_port()
    arguments = ["dev", "--port", str(port), "--data", str(tmp_path / "data")]
    environ = {"PROVIDER_TIMEOUT_SECONDS": "1"}
    process = Process("dev", arguments, environ, tmp_path, f"http://127.0.0.1:{port}").wait_ready()
    yield process
    process.end()


def read(directory: Path, caller: Caller) -> Books:
    """Read until every message has a final report: DELIVERED."""

    def settled() -> Books | None:
        books = read_books(directory, caller.calls)
        return books if {row.status for row in books.rows or ()} == {"DELIVERED"} else None

    return until(settled, seconds=30, what=lambda: f"all DELIVERED: {read_books(directory).rows}")


def test_the_books_of_an_embedded_set(dev: Process, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    key = (directory / "api-key").read_text().strip()
    caller = Caller({key: {"id": "dev"}}, dev)

    ids = [caller.insist(f"key-{number}", key=key) for number in range(3)]
    ids.append(caller.insist("unknown", key=key, to=ENDING_UNKNOWN))
    books = read(directory, caller)

    assert check(books) == []
    assert {row.tracking_id for row in books.rows or ()} == set(ids)
    assert {accept.reference for accept in books.accepts or ()} == set(ids)
    assert (books.queues or {}).get("sms.outbound", 0) == books.dead == 0
    assert {event.tracking_id for event in books.events} == {each.tracking_id for each in books.attempts} == set(ids)
    assert _without(books, ids[0]) == ["I1", "I2"]


def _without(books: Books, tracking_id: str) -> list[str]:
    """Return what the check says when a row is gone: it has eyes for the embedded set, too."""
    kept: list[Row] = [row for row in books.rows or () if row.tracking_id != tracking_id]
    return [each.invariant for each in check(msgspec.structs.replace(books, rows=kept))]
