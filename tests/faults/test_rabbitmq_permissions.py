"""RabbitMQ users that may do what their role needs and nothing else (docs/how-to/production.md)."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiormq
import msgspec
import pytest
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from smsgw.core.events import DependencyBack, DependencyLost
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq import RabbitAdmin, RabbitConsumer, RabbitPublisher
from tests.contract.queue_ends import opened, own_names, ready, receive, until
from tests.faults.broker_ends import CONFIRMED, a_consumer, a_publisher, body, ignore
from tests.servers import OwnRabbitmq

NOTHING = "^$"
PUBLISH = r"^amq\.default$"
"""Messages go to their queue through the default exchange, whose name for permissions this is."""


@pytest.fixture
def settings(own_rabbitmq: OwnRabbitmq) -> QueueSettings:
    """Queues that nobody has declared yet."""
    return own_names(own_rabbitmq.url)


async def restricted(
    server: OwnRabbitmq, settings: QueueSettings, *, configure: str, write: str, read: str
) -> QueueSettings:
    """Make a user with these permissions and return the settings that it has."""
    user = f"user-{secrets.token_hex(4)}"
    await asyncio.to_thread(server.ctl, "add_user", user, "secret-word")
    await asyncio.to_thread(server.ctl, "set_permissions", user, configure, write, read)
    return msgspec.structs.replace(settings, url=server.url.replace("guest:guest", f"{user}:secret-word"))


async def take(_message: object) -> None:
    """Nothing is ever delivered."""


def queues(settings: QueueSettings) -> str:
    """Return the pattern of all three."""
    return f"^({re.escape(settings.outbound)}|{re.escape(settings.dead)}|{re.escape(settings.heartbeat)})$"


async def test_users_that_may_declare_nothing_publish_and_consume(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq, settings: QueueSettings
) -> None:
    await (await a_publisher(AsyncExitStack(), settings)).close()
    of_gateway = await restricted(own_rabbitmq, settings, configure=NOTHING, write=PUBLISH, read=NOTHING)
    of_worker = await restricted(own_rabbitmq, settings, configure=NOTHING, write=PUBLISH, read=queues(settings))

    publisher, consumer = await a_publisher(stack, of_gateway), await a_consumer(stack, of_worker)
    admin = await opened(stack, RabbitAdmin(of_worker, observer=ignore))
    outcome, is_noted = await publisher.publish(body(1)), await publisher.publish_heartbeat(b"{}")
    [delivery] = await receive(consumer, 1)
    is_buried = await consumer.bury(b"x", "test")

    assert (outcome, is_noted, delivery.body, is_buried) == (CONFIRMED, True, body(1), True)
    assert [letter.body for letter in await admin.dead_letters(10)] == [b"x"]
    assert await publisher.is_ready()


async def test_without_the_queue_such_a_user_waits_and_says_what_for(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq, settings: QueueSettings
) -> None:
    of_gateway = await restricted(own_rabbitmq, settings, configure=NOTHING, write=PUBLISH, read=NOTHING)
    facts: list[object] = []
    publisher = await opened(stack, RabbitPublisher(of_gateway, observer=facts.append))

    async def has_complained() -> bool:
        return bool(facts)

    await until(has_complained)
    is_ready_without = await publisher.is_ready()
    await a_consumer(stack, settings)
    await ready(publisher)

    lost, back = facts
    assert not is_ready_without
    assert isinstance(lost, DependencyLost)
    assert lost.detail == f"publisher: there is no queue '{settings.dead}', and this user may not declare it"
    assert isinstance(back, DependencyBack)
    assert await publisher.publish(body(1)) is CONFIRMED


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_what_a_role_does_not_need_is_refused(
    own_rabbitmq: OwnRabbitmq, settings: QueueSettings, role: str
) -> None:
    await (await a_publisher(AsyncExitStack(), settings)).close()
    read = queues(settings) if role == "worker" else NOTHING
    user = await restricted(own_rabbitmq, settings, configure=NOTHING, write=PUBLISH, read=read)
    forbidden: list[Callable[[AbstractChannel], Awaitable[object]]] = [
        lambda channel: channel.queue_delete(settings.outbound),
        lambda channel: channel.queue_bind(settings.outbound, "amq.topic", "#"),
        lambda channel: channel.exchange_declare("trap"),
    ]
    if role == "gateway":
        forbidden += [
            lambda channel: channel.basic_consume(settings.outbound, take),
            lambda channel: channel.basic_get(settings.outbound),
            lambda channel: channel.queue_purge(settings.outbound),
        ]

    async with aiormq.connect(user.url) as connection:
        for attempt in forbidden:
            with pytest.raises(ChannelAccessRefused):
                await attempt(await connection.channel())


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("guest:guest", "guest:wrong", "ACCESS_REFUSED"),
        ("/", "/nowhere", "vhost 'nowhere' does not exist, or not for this user"),
    ],
)
async def test_a_wrong_password_or_vhost_is_named_and_waited_for(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq, settings: QueueSettings, old: str, new: str, why: str
) -> None:
    facts: list[object] = []
    url = settings.url.removesuffix("/") + new if old == "/" else settings.url.replace(old, new)
    consumer = await opened(stack, RabbitConsumer(msgspec.structs.replace(settings, url=url), observer=facts.append))

    async def has_complained() -> bool:
        return bool(facts)

    await until(has_complained)

    [lost] = facts
    assert isinstance(lost, DependencyLost)
    assert why in lost.detail
    assert "wrong" not in lost.detail
    assert not await consumer.is_ready()
