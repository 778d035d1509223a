"""Where a bench runs: this installation's own services, under names that nothing else uses, gone again at its end."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from smsgw.core.ports import LimitsUnavailableError, QueueUnavailableError
from smsgw.settings import QueueSettings, SettingsError, load_operator
from smsgw.transports.limits.redis_link import RedisLink
from smsgw.transports.queues.rabbitmq.remove import broker_name, remove_queues
from smsgw.transports.queues.redis_streams.remove import durability as streams_durability
from smsgw.transports.queues.redis_streams.remove import remove_queues as remove_streams
from smsgw.transports.stores.database.scratch import (
    ScratchError,
    create_scratch,
    drop_scratch,
    durability,
    scratch_url,
)

Say = Callable[[str], None]
PLACES: Final = ("QUEUE_URL", "RABBITMQ_URL", "DATABASE_URL", "LIMITS_URL", "REDIS_URL")
_SQLITE = "SQLite, WAL, synchronous=FULL"


class Ground:
    """The services of one bench. `close` takes away what `open` made, and says what it could not."""

    def __init__(self, environ: Mapping[str, str], directory: Path, *, say: Say) -> None:
        self.word = secrets.token_hex(4)
        self._say = say
        if not any(environ.get(place) for place in PLACES):
            file = f"sqlite:///{directory / 'bench.db'}"
            environ = {**environ, "QUEUE_URL": file, "DATABASE_URL": file, "LIMITS_URL": file}
        self._names = {
            "RABBITMQ_QUEUE_OUTBOUND": f"bench.{self.word}.outbound",
            "RABBITMQ_QUEUE_HEARTBEAT": f"bench.{self.word}.heartbeat",
            "QUOTA_PREFIX": f"{environ.get('QUOTA_PREFIX') or 'quota'}:bench-{self.word}",
        }
        settings = load_operator({**environ, **self._names})
        self._given_database = settings.database_url
        self._files: set[Path] = set()
        self._limits_url = self._own_file(settings.limits_url, directory)
        database = settings.database_url
        self._is_postgresql = urlsplit(database).scheme.startswith("postgres")
        self.database_url = (
            scratch_url(database, self._database) if self._is_postgresql else self._own_file(database, directory)
        )
        self._queue = QueueSettings(
            url=self._own_file(settings.queue.url, directory),
            outbound=settings.queue.outbound,
            heartbeat=settings.queue.heartbeat,
        )

    @property
    def environ(self) -> dict[str, str]:
        """What the processes of the bench need to know to run here."""
        return {
            **self._names,
            "QUEUE_URL": self._queue.url,
            "DATABASE_URL": self.database_url,
            "LIMITS_URL": self._limits_url,
        }

    def open(self) -> None:
        """Make what is not made by itself. Raises SettingsError."""
        if not self._is_postgresql:
            return
        try:
            create_scratch(self._given_database, self._database)
        except ScratchError as error:
            raise SettingsError(f"DATABASE_URL: no database for the bench could be created: {error}") from None

    def durability(self) -> list[str]:
        """Return one line per service: what is safe when it has said yes. Raises SettingsError."""
        return [f"queue     {self._queue_durability()}", f"store     {self._store_durability()}", self._limits_line()]

    def close(self) -> None:
        """Remove queues and database; keys in Redis expire within a quarter of an hour, the ledger's after two days."""
        if not self._is_embedded:
            try:
                asyncio.run((remove_queues if self._is_amqp else remove_streams)(self._queue))
            except QueueUnavailableError as error:
                self._say(f"queues {self._queue.outbound}* could not be deleted, delete them by hand: {error}")
        if self._is_postgresql:
            try:
                drop_scratch(self._given_database, self._database)
            except ScratchError as error:
                self._say(f"database {self._database} could not be dropped, drop it by hand: {error}")
        for file in self._files:
            for each in file.parent.glob(f"{file.name}*"):
                each.unlink()

    # --- names --------------------------------------------------------------------------------------------------------

    @property
    def _database(self) -> str:
        return f"smsgw_bench_{self.word}"

    def _own_file(self, url: str, directory: Path) -> str:
        """Return the URL as it is, or that of a file of our own beside the given one: same disk, other books."""
        if not url.startswith("sqlite:///"):
            return url
        given = Path(url.removeprefix("sqlite:///")).absolute()
        own = given if given.parent == directory else given.with_name(f"{given.name}.bench-{self.word}")
        self._files.add(own)
        return f"sqlite:///{own}"

    # --- what is durable ----------------------------------------------------------------------------------------------

    @property
    def _is_amqp(self) -> bool:
        return urlsplit(self._queue.url).scheme in ("amqp", "amqps")

    @property
    def _is_embedded(self) -> bool:
        return self._queue.url.startswith("sqlite")

    def _queue_durability(self) -> str:
        if self._is_embedded:
            return f"{_SQLITE}; a 202 is given after the commit"
        try:
            if not self._is_amqp:
                return f"{asyncio.run(streams_durability(self._queue))}; a 202 is given after the reply to XADD"
            name = asyncio.run(broker_name(self._queue))
        except QueueUnavailableError as error:
            raise SettingsError(f"QUEUE_URL: {error}") from None
        return f"{name}, quorum queue, persistent, mandatory; a 202 is given after the publisher confirm"

    def _store_durability(self) -> str:
        if not self._is_postgresql:
            return f"{_SQLITE}; acknowledged after the commit"
        try:
            return f"{durability(self._given_database)}; acknowledged after the commit"
        except ScratchError as error:
            raise SettingsError(f"DATABASE_URL: {error}") from None

    def _limits_line(self) -> str:
        if self._limits_url.startswith("sqlite"):
            return f"limits    {_SQLITE}; an Idempotency-Key for every request"
        try:
            said = asyncio.run(_redis_durability(self._limits_url))
        except LimitsUnavailableError as error:
            raise SettingsError(f"LIMITS_URL: {error}") from None
        return f"limits    {said}; an Idempotency-Key for every request"


async def _redis_durability(url: str) -> str:
    link = RedisLink(url)
    try:
        return await link.durability()
    finally:
        await link.close()
