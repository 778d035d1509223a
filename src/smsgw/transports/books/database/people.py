"""Users, their sessions, their links and the failed tries, as rows. What must happen once is one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.audit_log import AuditEntry
from smsgw.core.people import Link, Purpose, Role, Session, User, is_working_admin
from smsgw.transports.books.database.audit_log import insert_entry
from smsgw.transports.books.database.shelf import Shelf, clean
from smsgw.transports.stores.database.console_tables import links, sessions, sign_in_failures, users

_PRUNED_AT_ONCE = 5000
_USER = tuple(users.c[name] for name in User.__struct_fields__)
_SESSION = (
    sessions.c.token_hash,
    sessions.c.user_name,
    sessions.c.user_version,
    sessions.c.created_at,
    sessions.c.seen_at,
)
_LINK = (links.c.token_hash, links.c.user_name, links.c.purpose, links.c.expires_at)


class DatabasePeople:
    """See the port."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def user(self, name: str) -> User | None:
        """See the port."""
        query = sa.select(*_USER).where(users.c.name == clean(name))
        found = await self._shelf.rows("people.user", query)
        return _user(found[0]) if found else None

    async def users(self) -> Sequence[User]:
        """See the port. Sorted here: a database may sort names by the rules of a language."""
        found = await self._shelf.rows("people.users", sa.select(*_USER))
        return sorted((_user(row) for row in found), key=lambda each: each.name)

    async def put_user(self, user: User, entry: AuditEntry | None) -> bool:
        """See the port."""
        statement = self._insert_user(user) if user.version == 1 else _update_user(user)

        async def run(connection: AsyncConnection) -> bool:
            if not is_working_admin(user) and await _is_last_admin(connection, clean(user.name)):
                return False
            is_void = await connection.scalar(_voids_links(user))
            if (await connection.execute(statement)).first() is None:
                return False
            if is_void:
                await connection.execute(sa.delete(links).where(links.c.user_name == clean(user.name)))
            if entry is not None:
                await connection.execute(insert_entry(entry))
            return True

        return await self._shelf.transactions.write("people.put_user", int, run)

    async def note_sign_in(self, name: str, *, at: datetime, totp_step: int) -> bool:
        """See the port. Of two callers with one code, the second one's UPDATE finds the step of the first."""
        statement = sa.update(users).where(users.c.name == clean(name)).values(signed_in_at=at)
        if totp_step:
            statement = statement.where(users.c.totp_step < totp_step).values(totp_step=totp_step)
        return await self._shelf.change("people.note_sign_in", statement) > 0

    async def failures(self, what: str, *, since: datetime) -> int:
        """See the port."""
        known = sign_in_failures.c
        query = sa.select(sa.func.count()).where(known.what == clean(what), known.at >= since)
        return int((await self._shelf.rows("people.failures", query))[0][0])

    async def note_failure(self, what: str, *, at: datetime) -> None:
        """See the port."""
        statement = sa.insert(sign_in_failures).values(what=clean(what), at=at)
        await self._shelf.change("people.note_failure", statement)

    async def forget_failures(self, what: str) -> None:
        """See the port."""
        statement = sa.delete(sign_in_failures).where(sign_in_failures.c.what == clean(what))
        await self._shelf.change("people.forget_failures", statement)

    async def begin_session(self, session: Session) -> None:
        """See the port."""
        statement = sa.insert(sessions).values(
            token_hash=session.token_hash,
            user_name=clean(session.user),
            user_version=session.user_version,
            created_at=session.created_at,
            seen_at=session.seen_at,
        )
        await self._shelf.change("people.begin_session", statement)

    async def session(self, token_hash: str) -> tuple[Session, User] | None:
        """See the port."""
        is_of = sa.and_(users.c.name == sessions.c.user_name, users.c.version == sessions.c.user_version)
        query = sa.select(*_SESSION, *_USER).join_from(sessions, users, is_of)
        found = await self._shelf.rows("people.session", query.where(sessions.c.token_hash == token_hash))
        if not found:
            return None
        row = found[0]
        return _session(row[: len(_SESSION)]), _user(row[len(_SESSION) :])

    async def touch_session(self, token_hash: str, *, seen_at: datetime) -> None:
        """See the port."""
        statement = sa.update(sessions).where(sessions.c.token_hash == token_hash).values(seen_at=seen_at)
        await self._shelf.change("people.touch_session", statement)

    async def end_session(self, token_hash: str) -> None:
        """See the port."""
        await self._shelf.change("people.end_session", sa.delete(sessions).where(sessions.c.token_hash == token_hash))

    async def end_sessions(self, user: str) -> int:
        """See the port."""
        statement = sa.delete(sessions).where(sessions.c.user_name == clean(user))
        return await self._shelf.change("people.end_sessions", statement)

    async def give_link(self, link: Link, entry: AuditEntry | None) -> None:
        """See the port."""
        told = {"token_hash": link.token_hash, "purpose": link.purpose.value, "expires_at": link.expires_at}
        insert = self._shelf.insert(links).values(user_name=clean(link.user), **told)
        give = insert.on_conflict_do_update(index_elements=["user_name"], set_=told)
        notes = [insert_entry(entry)] if entry is not None else []
        await self._shelf.change("people.give_link", give, *notes)

    async def link(self, token_hash: str, *, now: datetime) -> Link | None:
        """See the port."""
        found = await self._shelf.rows("people.link", sa.select(*_LINK).where(*_is_good(token_hash, now)))
        return _link(found[0]) if found else None

    async def use_link(self, token_hash: str, *, now: datetime) -> Link | None:
        """See the port. Of two callers, one's DELETE finds the row."""
        statement = sa.delete(links).where(*_is_good(token_hash, now)).returning(*_LINK)

        async def run(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(statement)).all()

        found = await self._shelf.transactions.write("people.use_link", len, run)
        return _link(found[0]) if found else None

    async def prune(self, *, sessions_before: datetime, failures_before: datetime, now: datetime) -> int:
        """See the port."""
        old = (
            (sessions.c.token_hash, sessions.c.seen_at < sessions_before),
            (sign_in_failures.c.id, sign_in_failures.c.at < failures_before),
            (links.c.user_name, links.c.expires_at <= now),
        )
        return sum([await self._prune(key, is_old) for key, is_old in old])

    async def _prune(self, key: sa.Column[Any], is_old: sa.ColumnElement[bool]) -> int:
        """Delete in bites: after a flood of failed tries no transaction takes long."""
        bite = sa.select(key).where(is_old).limit(_PRUNED_AT_ONCE)
        statement = sa.delete(key.table).where(key.in_(bite), is_old)
        total, count = 0, _PRUNED_AT_ONCE
        while count == _PRUNED_AT_ONCE:
            count = await self._shelf.change("people.prune", statement)
            total += count
        return total

    def _insert_user(self, user: User) -> Any:
        insert = self._shelf.insert(users).values(_user_row(user))
        return insert.on_conflict_do_nothing(index_elements=["name"]).returning(users.c.name)


async def _is_last_admin(connection: AsyncConnection, name: str) -> bool:
    """Whether nobody else is an admin who may sign in. Locks them all, in one order: of two admins who disable each
    other at once, the second one finds himself the last."""
    known = users.c
    query = sa.select(known.name).where(known.role == Role.ADMIN.value, known.is_active).order_by(known.name)
    return list(await connection.scalars(query.with_for_update())) == [name]


def _update_user(user: User) -> Any:
    """Replace the version before. What a sign-in has noted since that one was read is kept: a code that was used does
    not become good again."""
    row, known = _user_row(user), users.c
    row["totp_step"] = sa.case((known.totp_step > user.totp_step, known.totp_step), else_=user.totp_step)
    if user.signed_in_at is not None:
        is_later = known.signed_in_at > user.signed_in_at
        row["signed_in_at"] = sa.case((is_later, known.signed_in_at), else_=user.signed_in_at)
    else:
        del row["signed_in_at"]
    is_before = sa.and_(known.name == row.pop("name"), known.version == user.version - 1)
    return sa.update(users).where(is_before).values(row).returning(known.name)


def _voids_links(user: User) -> sa.Select[Any]:
    """Ask whether links given before are over with this change: another password was set, or the user is disabled."""
    known = users.c
    is_other = known.password_hash.is_distinct_from(user.password_hash)
    is_over = sa.true() if not user.is_active else is_other
    return sa.select(known.name).where(known.name == clean(user.name), known.version == user.version - 1, is_over)


def _is_good(token_hash: str, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return links.c.token_hash == token_hash, links.c.expires_at > now


def _user_row(user: User) -> dict[str, Any]:
    row = {name: getattr(user, name) for name in User.__struct_fields__}
    return {**row, "name": clean(user.name), "role": user.role.value}


def _user(row: Sequence[Any]) -> User:
    values: dict[str, Any] = dict(zip(User.__struct_fields__, row, strict=True))
    return User(**{**values, "role": Role(values["role"])})


def _session(row: Sequence[Any]) -> Session:
    token_hash, user, version, created_at, seen_at = row
    return Session(token_hash=token_hash, user=user, user_version=version, created_at=created_at, seen_at=seen_at)


def _link(row: Sequence[Any]) -> Link:
    token_hash, user, purpose, expires_at = row
    return Link(token_hash=token_hash, user=user, purpose=Purpose(purpose), expires_at=expires_at)
