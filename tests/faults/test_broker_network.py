"""Between us and the broker: resets and black holes."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from tests.contract.queue_ends import receive, until
from tests.faults.broker_ends import (
    UNKNOWN,
    a_consumer,
    a_publisher,
    body,
    everything,
    is_confirmed,
    is_redis,
    own_settings,
)
from tests.faults.proxy import proxied


@pytest.fixture(params=["rabbitmq", "redis"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.mark.fault("F25", "I1 I11")
async def test_a_reset_connection_gives_no_wrong_answer_and_comes_back(stack: AsyncExitStack, broker_url: str) -> None:
    direct = await stack.enter_async_context(own_settings(broker_url))
    proxy, url = await stack.enter_async_context(proxied(broker_url))
    publisher = await a_publisher(stack, msgspec.structs.replace(direct, url=url))
    consumer = await a_consumer(stack, msgspec.structs.replace(direct, url=url))
    held = await publisher.publish(body(1)), await receive(consumer, 1)

    proxy.swallow()
    publishing = asyncio.create_task(publisher.publish(body(2)))
    await asyncio.sleep(0.05)
    proxy.cut()
    proxy.heal()
    cut_outcome = await publishing
    await held[1][0].ack()
    await until(lambda: is_confirmed(publisher))

    assert cut_outcome is UNKNOWN
    # RabbitMQ has not heard of the acknowledgement and delivers again; Redis is told on the new connection.
    assert {0, *([] if is_redis(direct) else [1])} <= await everything(consumer)


@pytest.mark.fault("F19", "I11")
async def test_a_black_hole_is_left_for_a_new_connection(stack: AsyncExitStack, broker_url: str) -> None:
    direct = await stack.enter_async_context(own_settings(broker_url))
    proxy, url = await stack.enter_async_context(proxied(broker_url))
    publisher = await a_publisher(stack, msgspec.structs.replace(direct, url=url))

    async def has_connected_again() -> bool:
        return proxy.connections >= 2

    proxy.swallow()
    outcome = await publisher.publish(body(1))
    await until(has_connected_again)
    proxy.heal()

    await until(lambda: is_confirmed(publisher))
    assert outcome is UNKNOWN
