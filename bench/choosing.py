"""What it costs to choose a provider and to take a token: CPU per message, by strategy, with ten providers.

    .venv/bin/python bench/choosing.py [--redis redis://127.0.0.1:6379/0] [--messages 4000] [--save WORD]

The worker's own objects on a real Redis: a router, its turns, its tokens. Messages come in batches of ten and of 32
(one prefetch), as the intake hands them on; tokens are leased in blocks of ten; nothing is dry. *Choose* is the router
with turns at hand, *why* what a story says of the choice at worst (nine of ten passed over), *token* taking and giving
back a token at hand, *together* choice and token with every round trip to Redis, all of it CPU of this process, the
least of the rounds. *Server* is what the script took inside Redis. Ends with 1 when a strategy takes 50 us or more.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import uvloop
from redis.asyncio import Redis

from smsgw.core.message import Message, Status
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import Candidates, LocalTurns, Router, Strategy
from smsgw.transports.limits.redis_link import RedisLink
from smsgw.transports.limits.redis_traffic import RedisTraffic
from smsgw.worker.pacing import Lack, Pacer, Rates
from smsgw.worker.turns import Turns

HERE = Path(__file__).parent
ALLOWED = 50.0
BATCHES = (10, 32)
ROUNDS = 5
WEIGHTS = (30, 20, 15, 10, 8, 7, 4, 3, 2, 1)
TEXT = "Your code is 1234"


class Cost(msgspec.Struct, frozen=True):
    """Microseconds per message, and round trips."""

    choose: float
    why: float
    token: float
    together: float
    server: float
    scripts: float


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--messages", type=int, default=4_000)
    parser.add_argument("--save", metavar="WORD", help="keep the output as bench/results/<date>-WORD.txt")
    asked = parser.parse_args()
    costs = uvloop.run(_measure(asked.redis, asked.messages))
    text = "\n".join(_lines(costs, asked.messages))
    print(text)
    if asked.save:
        (HERE / "results" / f"{datetime.now(UTC):%Y-%m-%d}-{asked.save}.txt").write_text(text + "\n")
    sys.exit(max(cost.together for cost in costs.values()) >= ALLOWED)


def _lines(costs: dict[tuple[Strategy, int], Cost], messages: int) -> list[str]:
    head = f"choosing, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}"
    columns = f"{'strategy':<14}{'batch':>6}{'choose us':>11}{'why us':>8}{'token us':>9}{'together us':>12}"
    lines = [
        f"{head}, load {os.getloadavg()[0]:.1f}, {ROUNDS} x {messages} messages, {len(WEIGHTS)} providers",
        f"{columns}{'server us':>10} scripts",
    ]
    for (strategy, batch), cost in costs.items():
        lines.append(
            f"{strategy:<14}{batch:>6}{cost.choose:>11.2f}{cost.why:>8.2f}{cost.token:>9.2f}{cost.together:>12.1f}{cost.server:>10.1f}"
            f"{cost.scripts:>8.2f}"
        )
    lines.append(f"allowed: {ALLOWED:.0f} us together, on average")
    return lines


async def _measure(url: str, messages: int) -> dict[tuple[Strategy, int], Cost]:
    prefix = f"bench-{uuid4().hex[:8]}"
    link = RedisLink(url)
    traffic = RedisTraffic(link, quota_prefix=prefix)
    try:
        return {
            (strategy, batch): await _least(strategy, traffic, url, messages, batch)
            for strategy in Strategy
            for batch in BATCHES
        }
    finally:
        await traffic.close()
        await link.close()
        async with Redis.from_url(url) as client:
            if names := [name async for name in client.scan_iter(match=f"traffic:{prefix}:*", count=1000)]:
                await client.unlink(*names)


async def _least(strategy: Strategy, traffic: RedisTraffic, url: str, messages: int, batch: int) -> Cost:
    rounds = [await _round(strategy, traffic, url, messages, batch) for _ in range(ROUNDS)]
    return Cost(**{field: min(getattr(each, field) for each in rounds) for field in Cost.__struct_fields__})


async def _round(strategy: Strategy, traffic: RedisTraffic, url: str, messages: int, batch: int) -> Cost:
    one = Worker(strategy, traffic, batch)
    await one.send(1000)
    before = await _scripts(url)
    began = time.process_time()
    await one.send(messages)
    together = time.process_time() - began
    calls, microseconds = (now - then for now, then in zip(await _scripts(url), before, strict=True))
    return Cost(
        choose=_choosing(strategy, messages),
        why=_explaining(strategy, messages),
        token=await _taking(traffic, messages),
        together=together / messages * 1e6,
        server=microseconds / messages,
        scripts=calls / messages,
    )


class Worker:
    """What a worker does to a message between its arrival and its call."""

    def __init__(self, strategy: Strategy, traffic: RedisTraffic, batch: int) -> None:
        self.batch = batch
        self.turns = Turns(traffic)
        self.router = _router(strategy, self.turns)
        self.pacer = _pacer(traffic)

    async def send(self, messages: int) -> None:
        """Choose and take a token for so many messages."""
        for _ in range(0, messages, self.batch):
            await self.turns.stock(self.router.sequence, self.batch)
            chosen = [_first(self.router) for _ in range(self.batch)]
            while chosen := [name for name in chosen if not self._leave(name)]:
                for name in chosen:
                    self.pacer.want(name, TEXT)
                await self.pacer.restock()
                # On a busy machine tokens may be void when they come; as at the worker, they are asked for again.
                await asyncio.sleep(self.pacer.waits_seconds(chosen))

    def _leave(self, name: str) -> bool:
        token = self.pacer.take(name, TEXT)
        if isinstance(token, Lack):
            return False
        self.pacer.done(token)
        return True


def _choosing(strategy: Strategy, messages: int) -> float:
    """Return what the router takes with turns at hand."""
    router = _router(strategy, LocalTurns())
    began = time.process_time()
    for _ in range(messages):
        _first(router)
    return (time.process_time() - began) / messages * 1e6


def _explaining(strategy: Strategy, messages: int) -> float:
    """Return what it takes at worst to say why, when a round begins."""
    router = _router(strategy, LocalTurns())
    names = router.candidates((), prefer=None, country="DE")
    assert isinstance(names, Candidates)
    message = _message()
    began = time.process_time()
    for _ in range(messages):
        router.why(names[-1], names, message=message, country="DE").details()
    return (time.process_time() - began) / messages * 1e6


async def _taking(traffic: RedisTraffic, messages: int) -> float:
    """Return what a token takes that is at hand."""
    pacer, spent, taken = _pacer(traffic), 0.0, 0
    while taken < messages:
        for _ in range(1000):
            pacer.want("p0", TEXT)
        await pacer.restock()
        began = time.process_time()
        while not isinstance(token := pacer.take("p0", TEXT), Lack):
            pacer.done(token)
            taken += 1
        spent += time.process_time() - began
    return spent / taken * 1e6


def _router(strategy: Strategy, turn: Callable[[str], int]) -> Router:
    return Router(_providers(), strategy=strategy, default_priority=100, turn=turn)


def _pacer(traffic: RedisTraffic) -> Pacer:
    """A limit so high that nothing is ever dry: what is measured is the way, not the wait."""
    pacer = Pacer(traffic, rates=Rates(1e6, 1e6), capacity=1000, observer=lambda _fact: None)
    pacer.use(_providers())
    return pacer


def _providers() -> Providers:
    return Providers(
        {
            f"p{number}": ProviderConfig(is_active=True, is_operational=True, weight=weight)
            for number, weight in enumerate(WEIGHTS)
        }
    )


def _message() -> Message:
    now = datetime.now(UTC)
    return Message(
        tracking_id=uuid4(),
        client_key="bench",
        to="+4915112345678",
        text=TEXT,
        ttl_seconds=600,
        providers=(),
        created_at=now,
        expires_at=now,
        updated_at=now,
        status=Status.QUEUED,
    )


def _first(router: Router) -> str:
    candidates = router.candidates([], prefer=None, country="DE")
    assert isinstance(candidates, Candidates)
    return candidates[0]


async def _scripts(url: str) -> tuple[int, int]:
    """Return how many scripts Redis has run and for how many microseconds; of everybody who uses it."""
    async with Redis.from_url(url) as client:
        stats = (await client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0, "usec": 0})
    return int(stats["calls"]), int(stats["usec"])


if __name__ == "__main__":
    main()
