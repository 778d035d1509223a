"""Where log lines leave the process: what is said within one turn of the event loop leaves in one write.

A write and a flush for every line of every message cost three of a hundred parts of a worker's CPU.
"""

import asyncio
import atexit
from typing import BinaryIO


class LineOutput:
    """A logger for structlog. Lines keep their order; a warning or worse leaves at once, with what waits before it. A
    process that is killed may lose the harmless lines of its last turn."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._failure: Exception | None = None
        atexit.register(self.flush)

    def info(self, line: bytes) -> None:
        """Write a line at the end of this turn of the loop; at once where no loop runs. Raises OSError or ValueError
        when lines before it could not be written."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.error(line)
            return
        if not self._waiting:
            loop.call_soon(self._flush_quietly)
        self._waiting.append(line)

    debug = info

    def error(self, line: bytes) -> None:
        """Write a line now; raises OSError or ValueError when that fails."""
        self._waiting.append(line)
        self.flush()

    critical = exception = fatal = warn = warning = error

    def flush(self) -> None:
        """Write what waits; what cannot be written is dropped."""
        lines, self._waiting = self._waiting, []
        if lines and not self._stream.closed:
            self._stream.write(b"\n".join(lines) + b"\n")
            self._stream.flush()

    def _flush_quietly(self) -> None:
        try:
            self.flush()
        except (OSError, ValueError) as error:
            # A closed pipe, a full disk: nobody calls who could be told; the next line's writer is.
            self._failure = error
