"""What can happen to a queue on Redis: no memory, a replica, lost data, a wrong server, and what it warns of."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from smsgw.core.events import DependencyBack, DependencyLost, DependencyWarned, Fact
from smsgw.core.ports import QueueUnavailableError
from smsgw.settings import QueueSettings, SettingsError
from smsgw.transports.queues.redis_streams import RedisAdmin, RedisConsumer, RedisPublisher, WrongRedisError
from smsgw.transports.queues.redis_streams.names import key, keys
from smsgw.transports.queues.redis_streams.server import refuse, warning
from smsgw.wiring.process import utc_now
from smsgw.wiring.transports import Transports
from tests import services
from tests.contract.queue_ends import opened, own_names, ready, receive, until
from tests.faults.broker_ends import (
    CONFIRMED,
    REFUSED,
    UNKNOWN,
    a_consumer,
    a_publisher,
    body,
    everything,
    ignore,
    is_confirmed,
)
from tests.rules.sources import ROOT
from tests.servers import OwnRedis, find_binary, free_port


@pytest.fixture
async def server(own_redis: OwnRedis) -> AsyncIterator[Redis]:
    """A connection of the test's own to a Redis that it may break; what it set is set back."""
    async with Redis.from_url(own_redis.url) as client:
        yield client
        await client.config_set("maxmemory", "0")
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("appendonly", "yes")
        await client.replicaof("NO", "ONE")


@pytest.fixture
def settings(own_redis: OwnRedis) -> QueueSettings:
    return own_names(own_redis.url)


async def raw(client: Redis, *command: str | bytes | int) -> Any:
    """Send a command as an operator would type it."""
    return await cast("Awaitable[Any]", client.execute_command(*command))  # type: ignore[no-untyped-call]


@pytest.mark.fault("F20", "I1 I11 I12")
async def test_without_memory_publishes_are_refused_and_consumers_go_on(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    await consumer.pause()
    before = [await publisher.publish(body(number)) for number in range(1, 4)]

    await server.config_set("maxmemory", "1")
    refused = await publisher.publish(body(4)), await publisher.publish_heartbeat(b"{}")
    is_ready, is_consumer_ready = await publisher.is_ready(), await consumer.is_ready()
    is_buried = await consumer.bury(b"x", "test")
    await consumer.resume()
    late = await a_consumer(stack, settings)
    while_full = await everything(consumer) | await everything(late)
    await server.config_set("maxmemory", "0")
    await until(lambda: is_confirmed(publisher))

    assert (before, refused) == ([CONFIRMED] * 3, (REFUSED, False))
    assert (is_ready, is_consumer_ready, is_buried) == (False, True, False)
    assert while_full == {1, 2, 3}
    assert await everything(consumer) | await everything(late) == {0}


@pytest.mark.fault("F21", "I1 I12")
async def test_a_redis_that_fills_up_keeps_what_it_confirmed(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    publisher = await a_publisher(stack, settings)
    used = int((await server.info("memory"))["used_memory"])
    await server.config_set("maxmemory", str(used + 2_000_000))

    big = [b'{"number":%d,"pad":"%s"}' % (number, b"x" * 50_000) for number in range(80)]
    outcomes = [await publisher.publish(each) for each in big]
    await server.config_set("maxmemory", "0")
    found = await everything(await a_consumer(stack, settings))

    assert REFUSED in outcomes
    assert UNKNOWN not in outcomes
    assert found == {number for number, outcome in enumerate(outcomes) if outcome is CONFIRMED}


async def test_a_replica_refuses_until_it_is_master_again(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    publisher = await a_publisher(stack, settings)
    facts: list[Fact] = []
    other = await ready(await opened(stack, RedisPublisher(settings, observer=facts.append)))

    await server.replicaof("127.0.0.1", str(free_port()))
    outcome, is_ready = await publisher.publish(body(1)), await other.is_ready()
    await server.replicaof("NO", "ONE")
    await until(lambda: is_confirmed(publisher))
    await until(other.is_ready)

    assert (outcome, is_ready) == (REFUSED, False)
    assert [type(fact) for fact in facts] == [DependencyLost, DependencyBack]


@pytest.mark.fault("F22", "I1 I11")
async def test_streams_that_were_deleted_are_made_again_with_what_was_published_meanwhile(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    await publisher.publish(body(1))
    held = await receive(consumer, 1)

    await server.flushall()
    outcome = await publisher.publish(body(2))
    await held[0].ack()
    found = await everything(consumer)
    await until(consumer.is_ready)
    await until(lambda: is_confirmed(publisher))

    # Two publishes: the probe of the last line is one.
    assert outcome is CONFIRMED
    assert found == {2}
    assert await everything(consumer) == {0}


async def test_a_group_that_was_deleted_delivers_everything_that_is_there(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    for number in range(3):
        await publisher.publish(body(number))
    await receive(consumer, 3)

    await raw(server, "XGROUP", "DESTROY", key(settings.outbound), "workers")

    assert await everything(consumer) == {0, 1, 2}


@pytest.mark.fault("F23", "I11")
@pytest.mark.parametrize("queue", ["outbound", "dead", "heartbeat"])
async def test_a_key_of_another_kind_stops_the_role_with_one_line(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings, queue: str
) -> None:
    name = key(getattr(settings, queue))
    await server.set(name, "somebody else's")
    publisher = await opened(stack, RedisPublisher(settings, observer=ignore))
    consumer = await opened(stack, RedisConsumer(settings, observer=ignore))
    ends: list[RedisPublisher | RedisConsumer] = [publisher, consumer]

    for end in ends:
        async with asyncio.timeout(10):
            with pytest.raises(WrongRedisError) as stopped:
                await end.watch()
        assert str(stopped.value) == f"Redis key '{name}' is not a stream; delete it or use another queue name"
    assert await publisher.publish(body(1)) is REFUSED


async def test_a_redis_cluster_stops_the_role_with_one_line(
    stack: AsyncExitStack, tmp_path: Path, settings: QueueSettings
) -> None:
    node = ClusterNode(tmp_path / "cluster")
    stack.callback(node.remove)
    await asyncio.to_thread(node.start)
    own = msgspec.structs.replace(settings, url=node.url)

    for end in (RedisPublisher(own, observer=ignore), RedisAdmin(own, observer=ignore)):
        await opened(stack, end)
        async with asyncio.timeout(10):
            with pytest.raises(WrongRedisError, match=r"^QUEUE_URL: Redis Cluster is not supported: [^\n]*$"):
                await end.watch()


class ClusterNode(OwnRedis):
    """A Redis that believes to be one node of a cluster."""

    def _launch(self) -> None:
        # By default the bus has a port of its own above the first one by 10,000, which may be none.
        options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--save", ""]
        binary = str(find_binary("redis-server"))
        self._spawn([binary, "--port", str(self.port), "--bind", "127.0.0.1", *options])


@pytest.mark.parametrize("version", ["6.0.16", "5.0.7", "4.0"])
def test_a_redis_that_is_too_old_is_refused_with_one_line(version: str) -> None:
    with pytest.raises(WrongRedisError) as refused:
        refuse({"redis_version": version})

    assert str(refused.value) == f"QUEUE_URL: Redis {version} is too old to carry the queue; 6.2 or newer is needed"


@pytest.mark.parametrize(
    "info", [{"redis_version": "6.2.0"}, {"redis_version": "7.0.15"}, {"redis_version": "10.0"}, {}]
)
def test_a_redis_that_is_new_enough_or_does_not_say_is_taken(info: dict[str, str]) -> None:
    assert refuse(info) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("said", "warned"),
    [
        ({"aof_enabled": "1", "maxmemory_policy": "noeviction"}, None),
        ({"aof_enabled": "0", "maxmemory_policy": "noeviction"}, "appendonly is no"),
        ({"aof_enabled": "1", "maxmemory_policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
        ({}, "cannot tell"),
    ],
)
def test_what_would_lose_messages_is_said(said: dict[str, str], warned: str | None) -> None:
    why = warning(said)

    assert (why is None) == (warned is None)
    assert (warned or "") in (why or "")


async def test_a_server_that_may_lose_messages_is_warned_of_once(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    await server.config_set("appendonly", "no")
    await server.config_set("maxmemory-policy", "allkeys-lru")
    facts: list[Fact] = []

    consumer = await ready(await opened(stack, RedisConsumer(settings, observer=facts.append)))
    await ready(await opened(stack, RedisConsumer(settings, settings.heartbeat, observer=facts.append)))
    admin = await opened(stack, RedisAdmin(settings, observer=facts.append))
    await admin.depth()
    await raw(server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await until(consumer.is_ready)

    warned = [fact for fact in facts if isinstance(fact, DependencyWarned)]
    assert [fact.dependency for fact in warned] == ["broker"]
    assert "appendonly is no" in warned[0].why
    assert "allkeys-lru" in warned[0].why


async def test_users_with_the_rights_of_the_documentation_publish_and_consume(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    """The rules of docs/how-to/redis-only.md."""
    gateway, worker = f"gateway-{uuid4().hex[:6]}", f"worker-{uuid4().hex[:6]}"
    page = (ROOT / "docs" / "how-to" / "redis-only.md").read_text("utf-8")
    for user, role in ((gateway, "gateway"), (worker, "worker")):
        [(_, rules)] = re.findall(rf"^ACL SETUSER smsgw-queue-{role} on >(\S+) (.*)$", page, re.MULTILINE)
        await raw(server, "ACL", "SETUSER", user, "on", ">secret", *rules.split())
    of = {
        user: msgspec.structs.replace(settings, url=settings.url.replace("redis://", f"redis://{user}:secret@"))
        for user in (gateway, worker)
    }

    publisher, consumer = await a_publisher(stack, of[gateway]), await a_consumer(stack, of[worker])
    admin = await opened(stack, RedisAdmin(of[worker], observer=ignore))
    of_gateway = await opened(stack, RedisAdmin(of[gateway], observer=ignore))
    outcome, is_noted = await publisher.publish(body(1)), await publisher.publish_heartbeat(b"{}")
    [delivery] = await receive(consumer, 1)
    await delivery.ack()
    is_buried = await consumer.bury(b"x", "test")
    [letter] = await admin.dead_letters(10)

    assert (outcome, is_noted, delivery.body, is_buried) == (CONFIRMED, True, body(1), True)
    assert await admin.replay(letter.id)
    assert [each.body for each in await receive(consumer, 1)] == [b"x"]
    assert await of_gateway.depth() == 0
    for forbidden in (of_gateway.dead_letters(1), of_gateway.replay(letter.id)):
        with pytest.raises(QueueUnavailableError, match=r"^redis: (NOPERM|ERR)$"):
            await forbidden


async def test_a_wrong_password_is_named_and_waited_for_and_not_told(
    stack: AsyncExitStack, settings: QueueSettings
) -> None:
    facts: list[Fact] = []
    wrong = msgspec.structs.replace(settings, url=settings.url.replace("redis://", "redis://me:hunter2@"))
    publisher = await opened(stack, RedisPublisher(wrong, observer=facts.append))

    async def has_complained() -> bool:
        return bool(facts)

    await until(has_complained)

    [lost] = facts
    assert isinstance(lost, DependencyLost)
    assert lost.detail == "publisher: redis: WRONGPASS"
    assert await publisher.publish(body(1)) is REFUSED


async def test_an_operator_who_names_a_wrong_queue_is_told_so_and_makes_none(
    stack: AsyncExitStack, server: Redis, settings: QueueSettings
) -> None:
    admin = await opened(stack, RedisAdmin(settings, observer=ignore))

    for look in (admin.depth(), admin.look(1)):
        with pytest.raises(QueueUnavailableError, match=f"^no queue '{settings.outbound}' in this Redis$"):
            await look
    for look_at_dead in (admin.dead_depth(), admin.dead_letters(1), admin.replay("1-0")):
        with pytest.raises(QueueUnavailableError, match=f"^no queue '{settings.dead}' in this Redis$"):
            await look_at_dead

    assert await server.exists(*keys(settings)) == 0


async def test_an_operator_hears_of_an_outage(stack: AsyncExitStack, own_redis: OwnRedis) -> None:
    settings = own_names(own_redis.url)
    own_redis.kill()
    admin = await opened(stack, RedisAdmin(settings, observer=ignore))

    with pytest.raises(QueueUnavailableError, match="not connected"):
        await admin.depth()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0?db=x", "redis://127.0.0.1:6379/0?nonsense=1"])
async def test_a_url_that_redis_does_not_take_is_one_line_without_the_url(url: str) -> None:
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=ignore, clock=utc_now)

        with pytest.raises(SettingsError, match=r"^QUEUE_URL: the path or a parameter after \? is wrong$"):
            await transports.publisher(QueueSettings(url=url))


async def test_a_unix_socket_serves(stack: AsyncExitStack, tmp_path: Path) -> None:
    node = SocketNode(services.own_server(OwnRedis).directory)
    stack.callback(node.remove)
    await asyncio.to_thread(node.start)
    settings = own_names(f"unix://{node.directory}/redis.sock?db=1")

    publisher = await ready(await opened(stack, RedisPublisher(settings, observer=ignore)))
    consumer = await ready(await opened(stack, RedisConsumer(settings, observer=ignore)))
    outcome = await publisher.publish(body(1))

    assert outcome is CONFIRMED
    assert [each.body for each in await receive(consumer, 1)] == [body(1)]


class SocketNode(OwnRedis):
    """A Redis that also listens on a socket in its directory."""

    def _launch(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", f"{self.directory}/redis.sock"]
        self._spawn([str(find_binary("redis-server")), *options, "--save", "", "--appendonly", "yes"])
