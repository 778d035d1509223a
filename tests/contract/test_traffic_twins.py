"""The script, the table and the pure rules are one behaviour: the same random history gives the same answers."""

import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from smsgw.core.buckets import NARROW_EVERY, Bucket, Limit
from smsgw.core.traffic import TOTAL, LeaseAsk, Traffic
from tests.contract.traffic_harness import Stage, open_memory, open_redis, open_sqlite

LENGTH = 150
LIMITS = {
    "provider:slow": Limit(0.3),
    "provider:fast": Limit(1000.0),
    "provider:odd": Limit(7.3, 2.7),
    "provider:tight": Limit(50.0, 0.1),
    "provider:asleep": Limit(1e-300),
    TOTAL: Limit(60.0, 0.5),
}
Step = tuple[timedelta, Callable[[Traffic], Awaitable[Any]]]


def _history(seed: int) -> list[Step]:
    """Asks of all kinds, in and out of every size, on a clock that runs, stands, jumps and is set back."""
    dice = random.Random(seed)
    kinds = [_lease] * 5 + [_narrow, _buckets, _turns, _write, _read]
    return [(_gap(dice), dice.choice(kinds)(dice)) for _ in range(LENGTH)]


def _gap(dice: random.Random) -> timedelta:
    return dice.choice(
        [
            timedelta(0),
            timedelta(microseconds=dice.randrange(1_000_000)),
            timedelta(seconds=dice.uniform(0, 5)),
            timedelta(microseconds=-dice.randrange(1_500_000)),
            dice.choice([timedelta(seconds=70), timedelta(hours=2), timedelta(minutes=-20), timedelta(seconds=20)]),
        ]
    )


def _lease(dice: random.Random) -> Callable[[Traffic], Awaitable[Any]]:
    bucket = dice.choice(sorted(LIMITS.keys() - {TOTAL}))
    total = dice.choice([None, LIMITS[TOTAL]])
    limit = LIMITS[bucket] if total is None else dice.choice([None, LIMITS[bucket]])
    least = dice.choice([1, 1, 1, 3, 12])
    ask = LeaseAsk(
        bucket=bucket,
        limit=limit,
        units=least + dice.choice([0, 1, 9, 200]),
        least=least,
        total=total,
        messages=dice.randrange(1, 30),
    )
    return lambda traffic: traffic.lease(ask)


def _narrow(dice: random.Random) -> Callable[[Traffic], Awaitable[Any]]:
    bucket, retry_after = dice.choice(sorted(LIMITS)), timedelta(seconds=dice.choice([0, -1, 0.7, 30, 4000]))
    return lambda traffic: traffic.narrow(bucket, LIMITS[bucket], retry_after)


def _buckets(dice: random.Random) -> Callable[[Traffic], Awaitable[Any]]:
    return lambda traffic: traffic.buckets(LIMITS)


def _turns(dice: random.Random) -> Callable[[Traffic], Awaitable[Any]]:
    sequence, count = dice.choice("ab"), dice.randrange(1, 11)
    return lambda traffic: traffic.turns(sequence, count)


def _write(dice: random.Random) -> Callable[[Traffic], Awaitable[Any]]:
    name, version, body = dice.choice("ab"), dice.randrange(4), dice.randbytes(5)
    return lambda traffic: traffic.write(name, body, version=version)


def _read(dice: random.Random) -> Callable[[Traffic], Awaitable[Any]]:
    return lambda traffic: traffic.read(["a", "b"])


async def _play(stage: Stage, history: list[Step]) -> list[Any]:
    """Return the answers, to the last bit."""
    workers = [stage.worker(), stage.worker()]
    seen = []
    for number, (gap, act) in enumerate(history):
        stage.clock.now += gap
        answer = await act(workers[number % 2])
        seen.append(_comparable(answer))
    return seen


def _comparable(answer: Any) -> Any:
    """A settled bucket is as good as a forgotten one; some have forgotten it, others not yet."""
    if isinstance(answer, tuple):
        now, documents = answer
        return now, list(documents)
    if isinstance(answer, Mapping):
        return {name: _without_the_past(bucket) for name, bucket in answer.items()}
    return answer


def _without_the_past(bucket: Bucket) -> tuple[Any, ...]:
    is_narrow = bucket.narrowed_at is not None and bucket.at - bucket.narrowed_at < NARROW_EVERY
    is_closed = bucket.closed_until is not None and bucket.closed_until > bucket.at
    return (
        bucket.tokens,
        bucket.at,
        bucket.factor,
        bucket.narrowed_at if is_narrow else None,
        bucket.closed_until if is_closed else None,
    )


@pytest.mark.parametrize("seed", range(6))
async def test_the_same_history_gives_the_same_answers(seed: int, redis_url: str, run_id: str, tmp_path: Path) -> None:
    history = _history(seed)

    async with open_memory() as stage:
        expected = await _play(stage, history)
    async with open_redis(redis_url, run_id) as stage:
        in_redis = await _play(stage, history)
    async with open_sqlite(tmp_path / "limits.db") as stage:
        in_sqlite = await _play(stage, history)

    assert in_redis == expected
    assert in_sqlite == expected
    assert len({str(each) for each in expected}) > LENGTH / 4, "a history worth its name"
