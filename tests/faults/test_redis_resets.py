"""Redis connections reset while commands are on their way, on the event loop that the product runs on."""

import asyncio

import pytest
import uvloop

from smsgw.transports.limits.redis_link import RedisAwayError, RedisLink
from tests.faults.proxy import Proxy, proxy_thread

CONNECTIONS = 8
ROUNDS = 30


@pytest.mark.fault("F09", "I12")
def test_a_reset_at_any_moment_is_an_outage_and_nothing_else(redis_url: str) -> None:
    """uvloop raises RuntimeError for a write to a connection that was reset a moment before."""
    with proxy_thread(redis_url) as (network, url):
        raised = uvloop.run(_cut_again_and_again(network, url))

    assert raised
    assert raised <= {RedisAwayError}


async def _cut_again_and_again(network: Proxy, url: str) -> set[type[BaseException]]:
    """Reset all connections, each time while commands are a little further on their way; return what was raised."""
    raised: set[type[BaseException]] = set()
    for _ in range(ROUNDS):
        link = RedisLink(url)
        await asyncio.gather(*(_call(link, turns=0) for _ in range(CONNECTIONS)), return_exceptions=True)
        network.cut()
        calls = (_call(link, turns=turns) for turns in range(CONNECTIONS))
        results = await asyncio.gather(*calls, return_exceptions=True)
        raised |= {type(each) for each in results if isinstance(each, BaseException)}
        await link.close()
    return raised


async def _call(link: RedisLink, *, turns: int) -> object:
    """Call after so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await link.call("PING", deadline=asyncio.get_running_loop().time() + 0.3)
