"""Who may use the console: users, their roles, their sessions, the links that let somebody in once."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from smsgw.core.audit_log import AuditEntry


class Role(StrEnum):
    """What somebody may do. Each may do what the ones before it may."""

    VIEWER = "viewer"
    """Sees everything but personal data, and changes nothing."""
    OPERATOR = "operator"
    """Sees numbers and texts; acts on messages and providers."""
    ADMIN = "admin"
    """Changes clients, keys and users; erases personal data."""

    def may(self, needed: "Role") -> bool:
        """Whether this role is at least that one."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with an account. A change of password, role or activity is written with the next `version`, and ends
    every session that was begun under another one."""

    name: str
    role: Role
    is_active: bool = True
    password_hash: str | None = None
    """Argon2id, as its library writes it; None until the first link was used."""
    totp_secret: str | None = None
    """Base32 (RFC 6238); None: no second factor."""
    totp_step: int = 0
    """The last time step whose code was taken: no code works twice."""
    version: int = 1
    created_at: datetime
    updated_at: datetime
    signed_in_at: datetime | None = None

    def __repr__(self) -> str:
        return f"User(name={self.name!r}, role={self.role.value!r}, is_active={self.is_active})"


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""What a user may be called: it stands in addresses, in logs and on the command line as it is."""


def is_working_admin(user: User | None) -> bool:
    """Whether this is an admin who may sign in: the last one must stay."""
    return user is not None and user.is_active and user.role is Role.ADMIN


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is signed in. Only the SHA-256 of its token is stored."""

    token_hash: str
    user: str
    user_version: int
    created_at: datetime
    seen_at: datetime


class Purpose(StrEnum):
    """What a one-time link is for."""

    PASSWORD = "password"  # noqa: S105  (a word, not one)
    """Its holder sets the password, and is signed in."""
    SIGN_IN = "sign_in"
    """Its holder is signed in: the link that `smsgw dev` prints."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time link. Only the SHA-256 of its token is stored."""

    token_hash: str
    user: str
    purpose: Purpose
    expires_at: datetime


class People(Protocol):
    """The accounts. Every method raises StoreUnavailableError on an outage. Names are compared as they are written."""

    async def user(self, name: str) -> User | None: ...

    async def users(self) -> Sequence[User]:
        """Return all of them, by name."""

    async def put_user(self, user: User, entry: AuditEntry | None) -> bool:
        """Insert a user of version 1, or replace the one of `version - 1`, and note the entry with it; False, and
        nothing is changed, when there is another one by now, or when no active admin would be left where there was
        one. Sessions of other versions are over, and with another password, or disabled, links
        too; what note_sign_in has noted since the user was read stays noted."""

    async def note_sign_in(self, name: str, *, at: datetime, totp_step: int) -> bool:
        """Note that somebody has signed in; False when this step's code was used before. The version stays."""

    async def failures(self, what: str, *, since: datetime) -> int:
        """Return how many failed sign-ins there were of this name or address."""

    async def note_failure(self, what: str, *, at: datetime) -> None: ...

    async def forget_failures(self, what: str) -> None: ...

    async def begin_session(self, session: Session) -> None: ...

    async def session(self, token_hash: str) -> tuple[Session, User] | None:
        """Return a session and whose it is; None for none, and for one of another version of its user."""

    async def touch_session(self, token_hash: str, *, seen_at: datetime) -> None: ...

    async def end_session(self, token_hash: str) -> None: ...

    async def end_sessions(self, user: str) -> int:
        """End every session of a user; return how many there were."""

    async def give_link(self, link: Link, entry: AuditEntry | None) -> None:
        """Store a link; links of the same user that were given before are void."""

    async def link(self, token_hash: str, *, now: datetime) -> Link | None:
        """Return a link that is still good, and leave it as it is."""

    async def use_link(self, token_hash: str, *, now: datetime) -> Link | None:
        """Return a link that is still good, and void it: the second caller gets None."""

    async def prune(self, *, sessions_before: datetime, failures_before: datetime, now: datetime) -> int:
        """Forget sessions last seen before, old failures, and links that are over; return how many."""
