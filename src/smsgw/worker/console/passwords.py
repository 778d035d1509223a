"""Passwords: Argon2id with the library's parameters (RFC 9106, low-memory), off the event loop, a few at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2
"""Hashing takes 64 MiB and some tens of milliseconds of a core each: strangers must not be able to ask for more."""
MOST_WAITING = 50
"""So many may wait for their turn to try a password: the next one is told to come back."""
SHORTEST, LONGEST = 12, 256
_TELLING_NAME = 4
"""A name of fewer letters is in many a good sentence."""


class Passwords:
    """Hashes and verifies; `hasher` may be a cheaper one in tests."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._of_nobody: str | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Let a few at a time count failures, try a password and note the failure: whoever sends many guesses at once
        is stopped as if he had sent them one after the other. False, at once, when too many wait already."""
        if self._waiting >= MOST_WAITING:
            yield False
            return
        self._waiting += 1
        try:
            async with self._turns:
                yield True
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of this hash. Of nobody's (None) it is never, after as long a time."""
        async with self._room:
            return await asyncio.to_thread(self._verify, stored, password)

    def _verify(self, stored: str | None, password: str) -> bool:
        if self._of_nobody is None:
            self._of_nobody = self._hasher.hash("of nobody")
        try:
            return self._hasher.verify(stored or self._of_nobody, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def problem_of_password(password: str, *, name: str) -> str | None:
    """Return what is wrong with a new password, or None (NIST SP 800-63B: length, no rules of composition)."""
    if len(password) < SHORTEST:
        return f"must have at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"must have at most {LONGEST} characters"
    if len(name) >= _TELLING_NAME and name.casefold() in password.casefold():
        return "must not have your user name in it"
    if len(set(password)) < 5:
        return "is too easy to guess"
    return None
