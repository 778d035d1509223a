"""Lines leave together, in their order, and never later than anything that matters."""

import asyncio
import io

import pytest

from smsgw.telemetry.line_output import LineOutput


class Counted(io.BytesIO):
    """Counts its writes; fails when it is told to."""

    writes = 0
    error: Exception | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.writes += 1
        if self.error:
            raise self.error
        return super().write(data)


async def test_the_lines_of_one_turn_leave_in_one_write() -> None:
    stream = Counted()
    output = LineOutput(stream)

    output.info(b"one")
    output.debug(b"two")
    before = stream.getvalue()
    await asyncio.sleep(0)
    output.info(b"three")
    await asyncio.sleep(0)

    assert before == b""
    assert stream.getvalue() == b"one\ntwo\nthree\n"
    assert stream.writes == 2


async def test_a_warning_leaves_at_once_behind_what_was_said_before() -> None:
    stream = Counted()
    output = LineOutput(stream)

    output.info(b"one")
    output.warning(b"two")

    assert stream.getvalue() == b"one\ntwo\n"
    await asyncio.sleep(0)
    assert stream.writes == 1


def test_without_a_loop_every_line_leaves_at_once() -> None:
    stream = Counted()
    output = LineOutput(stream)

    output.info(b"one")

    assert stream.getvalue() == b"one\n"


async def test_who_writes_next_hears_that_lines_were_lost() -> None:
    stream = Counted()
    output = LineOutput(stream)
    stream.error = BrokenPipeError()
    output.info(b"lost")
    await asyncio.sleep(0)

    with pytest.raises(BrokenPipeError):
        output.info(b"lost, too")
    with pytest.raises(BrokenPipeError):
        output.warning(b"and this")
    stream.error = None
    output.info(b"back")
    output.flush()

    assert stream.getvalue() == b"back\n"


def test_nothing_is_written_to_a_closed_stream() -> None:
    stream = Counted()
    output = LineOutput(stream)
    stream.close()

    output.info(b"late")

    assert stream.writes == 0
