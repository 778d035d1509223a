"""The console's books in dictionaries: the double that tests use, with the same contract as the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.people import Link, Session, User, is_working_admin
from smsgw.core.ports import StoreUnavailableError
from smsgw.core.rollup import Cell, Sums, whole

Key = TypeVar("Key")


class MemoryBooks:
    """All four in one process; each method runs without a pause. `fail` makes every call raise
    StoreUnavailableError."""

    def __init__(self) -> None:
        self.fail = False
        self.audit_log = MemoryAuditLog(self)
        self.people = MemoryPeople(self)
        self.overlays = MemoryOverlays(self)
        self.rollups = MemoryRollups(self)

    def check(self) -> None:
        """Raise as an outage would, if told to."""
        if self.fail:
            raise StoreUnavailableError("told to fail")

    async def close(self) -> None:
        """Nothing is open."""


class MemoryAuditLog:
    """See the port."""

    def __init__(self, books: MemoryBooks) -> None:
        self._books = books
        self.written: list[AuditEntry] = []

    def add(self, entry: AuditEntry | None) -> None:
        """Write an entry, if there is one."""
        if entry is not None:
            self.written.append(msgspec.structs.replace(entry, id=len(self.written) + 1))

    async def note(self, entry: AuditEntry) -> None:
        """See the port."""
        self._books.check()
        self.add(entry)

    async def entries(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """See the port."""
        self._books.check()
        found = [each for each in reversed(self.written) if before is None or each.id < before]
        return [each for each in found if _fits(each, wanted)][:limit]


class MemoryPeople:
    """See the port."""

    def __init__(self, books: MemoryBooks) -> None:
        self._books = books
        self._users: dict[str, User] = {}
        self._sessions: dict[str, Session] = {}
        self._links: dict[str, Link] = {}
        self._failures: list[tuple[str, datetime]] = []

    async def user(self, name: str) -> User | None:
        """See the port."""
        self._books.check()
        return self._users.get(name)

    async def users(self) -> Sequence[User]:
        """See the port."""
        self._books.check()
        return [self._users[name] for name in sorted(self._users)]

    async def put_user(self, user: User, entry: AuditEntry | None) -> bool:
        """See the port."""
        self._books.check()
        known = self._users.get(user.name)
        if (known.version if known else 0) != user.version - 1:
            return False
        others = [each for name, each in self._users.items() if name != user.name]
        if is_working_admin(known) and not any(map(is_working_admin, [user, *others])):
            return False
        self._users[user.name] = _with_sign_ins(user, known) if known else user
        if known and (known.password_hash != user.password_hash or not user.is_active):
            self._links = {key: each for key, each in self._links.items() if each.user != user.name}
        self._books.audit_log.add(entry)
        return True

    async def note_sign_in(self, name: str, *, at: datetime, totp_step: int) -> bool:
        """See the port."""
        self._books.check()
        known = self._users.get(name)
        if known is None or (totp_step and totp_step <= known.totp_step):
            return False
        step = max(known.totp_step, totp_step)
        self._users[name] = msgspec.structs.replace(known, signed_in_at=at, totp_step=step)
        return True

    async def failures(self, what: str, *, since: datetime) -> int:
        """See the port."""
        self._books.check()
        return sum(mark == what and at >= since for mark, at in self._failures)

    async def note_failure(self, what: str, *, at: datetime) -> None:
        """See the port."""
        self._books.check()
        self._failures.append((what, at))

    async def forget_failures(self, what: str) -> None:
        """See the port."""
        self._books.check()
        self._failures = [each for each in self._failures if each[0] != what]

    async def begin_session(self, session: Session) -> None:
        """See the port."""
        self._books.check()
        self._sessions[session.token_hash] = session

    async def session(self, token_hash: str) -> tuple[Session, User] | None:
        """See the port."""
        self._books.check()
        session = self._sessions.get(token_hash)
        user = self._users.get(session.user) if session else None
        if session is None or user is None or user.version != session.user_version:
            return None
        return session, user

    async def touch_session(self, token_hash: str, *, seen_at: datetime) -> None:
        """See the port."""
        self._books.check()
        if token_hash in self._sessions:
            self._sessions[token_hash] = msgspec.structs.replace(self._sessions[token_hash], seen_at=seen_at)

    async def end_session(self, token_hash: str) -> None:
        """See the port."""
        self._books.check()
        self._sessions.pop(token_hash, None)

    async def end_sessions(self, user: str) -> int:
        """See the port."""
        self._books.check()
        ended = [token_hash for token_hash, session in self._sessions.items() if session.user == user]
        for token_hash in ended:
            del self._sessions[token_hash]
        return len(ended)

    async def give_link(self, link: Link, entry: AuditEntry | None) -> None:
        """See the port."""
        self._books.check()
        self._links = {key: each for key, each in self._links.items() if each.user != link.user}
        self._links[link.token_hash] = link
        self._books.audit_log.add(entry)

    async def link(self, token_hash: str, *, now: datetime) -> Link | None:
        """See the port."""
        self._books.check()
        link = self._links.get(token_hash)
        return link if link and link.expires_at > now else None

    async def use_link(self, token_hash: str, *, now: datetime) -> Link | None:
        """See the port."""
        link = await self.link(token_hash, now=now)
        if link is not None:
            del self._links[token_hash]
        return link

    async def prune(self, *, sessions_before: datetime, failures_before: datetime, now: datetime) -> int:
        """See the port."""
        self._books.check()
        before = len(self._sessions) + len(self._failures) + len(self._links)
        self._sessions = {key: each for key, each in self._sessions.items() if each.seen_at >= sessions_before}
        self._failures = [each for each in self._failures if each[1] >= failures_before]
        self._links = {key: each for key, each in self._links.items() if each.expires_at > now}
        return before - len(self._sessions) - len(self._failures) - len(self._links)


class MemoryOverlays:
    """See the port."""

    def __init__(self, books: MemoryBooks) -> None:
        self._books = books
        self._version = 0
        self._rows: dict[tuple[Kind, str], OverlayRow] = {}

    async def version(self) -> int:
        """See the port."""
        self._books.check()
        return self._version

    async def overlay(self) -> Overlay:
        """See the port."""
        self._books.check()
        return Overlay(version=self._version, rows=tuple(self._rows[key] for key in sorted(self._rows)))

    async def change(
        self, rows: Sequence[OverlayRow], *, remove: Sequence[tuple[Kind, str]] = (), expected: int, entry: AuditEntry
    ) -> bool:
        """See the port."""
        self._books.check()
        if expected != self._version:
            return False
        for key in remove:
            self._rows.pop(key, None)
        self._rows |= {(row.kind, row.name): row for row in rows}
        self._version += 1
        self._books.audit_log.add(entry)
        return True


class MemoryRollups:
    """See the port."""

    def __init__(self, books: MemoryBooks) -> None:
        self._books = books
        self._cells: dict[tuple[int, datetime, str, str], Cell] = {}

    async def add(self, cells: Sequence[Cell]) -> None:
        """See the port."""
        self._books.check()
        for cell in cells:
            key = (cell.grain, cell.starts_at, cell.provider, cell.country)
            known = self._cells.get(key)
            self._cells[key] = _sum(known, cell) if known else cell

    async def cells(self, grain: int, *, since: datetime, until: datetime) -> Sequence[Cell]:
        """See the port."""
        self._books.check()
        found = [each for each in self._cells.values() if each.grain == grain and since <= each.starts_at < until]
        return sorted(found, key=lambda each: (each.starts_at, each.provider, each.country))

    async def by_time(
        self, grain: int, *, since: datetime, until: datetime, step: timedelta, provider: str | None = None
    ) -> Mapping[datetime, Sums]:
        """See the port."""
        seconds = int(step.total_seconds())
        found = [
            each for each in await self.cells(grain, since=since, until=until) if provider in (None, each.provider)
        ]
        return _grouped(
            (datetime.fromtimestamp(each.starts_at.timestamp() // seconds * seconds, UTC), each) for each in found
        )

    async def by_provider(self, grain: int, *, since: datetime, until: datetime) -> Mapping[str, Sums]:
        """See the port."""
        return _grouped((each.provider, each) for each in await self.cells(grain, since=since, until=until))

    async def by_country(self, grain: int, *, since: datetime, until: datetime) -> Mapping[str, Sums]:
        """See the port."""
        found = await self.cells(grain, since=since, until=until)
        return _grouped((each.country, each) for each in found if each.provider)

    async def prune(self, grain: int, *, before: datetime) -> int:
        """See the port."""
        self._books.check()
        old = [key for key in self._cells if key[0] == grain and key[1] < before]
        for key in old:
            del self._cells[key]
        return len(old)


def _with_sign_ins(user: User, known: User) -> User:
    times = [each for each in (user.signed_in_at, known.signed_in_at) if each is not None]
    step = max(user.totp_step, known.totp_step)
    return msgspec.structs.replace(user, totp_step=step, signed_in_at=max(times, default=None))


def _fits(entry: AuditEntry, wanted: AuditFilter) -> bool:
    action = wanted.action
    is_action = action is None or (entry.action.startswith(action) if action.endswith(".") else entry.action == action)
    return (
        is_action
        and wanted.who in (None, entry.who)
        and wanted.subject in (None, entry.subject)
        and (wanted.since is None or entry.at >= wanted.since)
        and (wanted.until is None or entry.at < wanted.until)
    )


def _grouped(cells: Iterable[tuple[Key, Cell]]) -> dict[Key, Sums]:
    groups: dict[Key, list[Cell]] = {}
    for key, cell in cells:
        groups.setdefault(key, []).append(cell)
    return {key: whole(group) for key, group in groups.items()}


def _sum(one: Cell, other: Cell) -> Cell:
    numbers = ("accepted", "sent", "delivered", "failed", "unknown", "calls", "bad_calls", "call_ms")
    summed = {name: getattr(one, name) + getattr(other, name) for name in numbers}
    waits = tuple(a + b for a, b in zip(one.waits, other.waits, strict=True))
    return msgspec.structs.replace(one, waits=waits, **summed)
