"""What simulated carriers still know after their process was killed: JSON lines, written before the answer."""

from contextlib import suppress
from pathlib import Path

import msgspec

from smsgw.simulator.ledger import Entry

KEPT = 10_000


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An acceptance with the report it will get, the id of one whose report was delivered, or a carrier whose ledger
    was emptied."""

    accepted: Entry | None = None
    will_report: str | None = None
    reported: str | None = None
    reset: str | None = None


class Journal:
    """Remembers acceptances and their reports; without a path it remembers nothing.

    Lines reach the operating system at once, so they survive the process; they need not survive the machine.
    """

    def __init__(self, path: Path | None) -> None:
        self._lines = _read(path) if path else []
        self._file = path.open("wb", buffering=0) if path else None
        for line in self._lines[-KEPT:]:
            self._write(line)

    def entries(self, provider: str) -> list[Entry]:
        """Return what a carrier accepted in earlier runs since its ledger was emptied, oldest first."""
        entries: list[Entry] = []
        for line in self._lines:
            if line.accepted and line.accepted.provider == provider:
                entries.append(line.accepted)
            elif line.reset == provider:
                entries.clear()
        return entries

    def unreported(self) -> list[tuple[Entry, str]]:
        """Return the acceptances of earlier runs whose report nobody took yet."""
        done = {line.reported for line in self._lines if line.reported}
        waiting = [(line.accepted, line.will_report) for line in self._lines]
        return [(entry, status) for entry, status in waiting if entry and status and entry.message_id not in done]

    def accept(self, entry: Entry, will_report: str | None) -> bool:
        """Note an acceptance; False when the disk did not take it."""
        return self._write(Line(accepted=entry, will_report=will_report))

    def report(self, entry: Entry) -> None:
        """Note that a report was taken. What could not be noted is reported again after a restart."""
        self._write(Line(reported=entry.message_id))

    def reset(self, provider: str) -> None:
        """Note that a carrier's ledger was emptied; reports that still wait are sent all the same."""
        self._write(Line(reset=provider))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _write(self, line: Line) -> bool:
        """Write a line whole or not at all, so that the next one can be read."""
        if self._file is None:
            return True
        encoded = msgspec.json.encode(line) + b"\n"
        at = self._file.tell()
        with suppress(OSError):
            if self._file.write(encoded) == len(encoded):
                return True
        with suppress(OSError):
            self._file.truncate(at)
            self._file.seek(at)
        return False


def _read(path: Path) -> list[Line]:
    """Return the lines of an earlier run; a last line that a kill cut short is left out."""
    lines: list[Line] = []
    for raw in path.read_bytes().splitlines() if path.exists() else ():
        try:
            lines.append(msgspec.json.decode(raw, type=Line))
        except msgspec.MsgspecError:
            continue
    return lines
