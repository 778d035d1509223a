"""The account that docs/how-to/deploy-kubernetes.md gives to KEDA is enough for what KEDA does with it."""

import asyncio
import re
import secrets
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiormq

from tests.contract.queue_ends import own_names
from tests.faults.broker_ends import a_publisher, body
from tests.rules.sources import ROOT
from tests.servers import OwnRabbitmq

PAGE = ROOT / "docs" / "how-to" / "deploy-kubernetes.md"


async def test_an_account_without_any_right_can_see_how_many_wait(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq
) -> None:
    settings = own_names(own_rabbitmq.url)
    publisher = await a_publisher(stack, settings)
    for number in range(3):
        await publisher.publish(body(number))
    user = f"scaler-{secrets.token_hex(4)}"
    [rights] = re.findall(r"set_permissions -p smsgw smsgw-scaler (.*)", PAGE.read_text("utf-8"))
    await asyncio.to_thread(own_rabbitmq.ctl, "add_user", user, "secret-word")
    await asyncio.to_thread(own_rabbitmq.ctl, "set_permissions", user, *re.findall(r"'([^']*)'", rights))

    # What KEDA calls QueueDeclarePassive.
    where = urlsplit(own_rabbitmq.url)
    connection = await aiormq.connect(
        where._replace(netloc=f"{user}:secret-word@{where.hostname}:{where.port}").geturl()
    )
    stack.push_async_callback(connection.close)
    seen = await (await connection.channel()).queue_declare(settings.outbound, passive=True)

    assert seen.message_count == 3
