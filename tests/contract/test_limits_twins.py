"""The scripts, the tables and the pure rules are one behaviour: the same random history gives the same answers."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from smsgw.core.admission import Admission, Ask, Claim, ClaimRules, PublishOutcome, Rate
from tests.contract.limits_harness import CLIENT, World, open_memory, open_redis, open_sqlite

Step = Callable[[World, list[Admission]], Any]
PUBLISHES = [None, PublishOutcome.REFUSED, PublishOutcome.UNKNOWN]


def _history(seed: int, length: int) -> list[Step]:
    """Requests, answers and releases of few keys, with tokens that are right, stale or somebody else's."""
    dice = random.Random(seed)
    asks: list[Ask] = []
    steps: list[Step] = []
    for number in range(length):
        kind = dice.choice(["admit", "admit", "look_up", "answer", "release"])
        if kind == "admit" or not asks:
            asks.append(_ask(dice, number))
            steps.append(_admit(asks[-1]))
            continue
        steps.append(_end(kind, dice, index=dice.randrange(max(0, len(asks) - 6), len(asks)), asks=asks))
    return steps


def _ask(dice: random.Random, number: int) -> Ask:
    name = f"{CLIENT}:{dice.randrange(4)}"
    claim = Claim(name=name, fingerprint=dice.choice("aaab"), token=f"token-{number}")
    return Ask(
        tracking_id=UUID(int=number, version=4),
        client_key=CLIENT,
        claim=dice.choice([claim, claim, claim, None]),
        daily_quota=dice.choice([None, 3, 6, 6]),
        # One token each, and no more within the time of a test.
        rates=tuple(Rate(f"rate-{dice.randrange(20)}", 0.0001) for _ in range(dice.choice([0, 0, 0, 1, 2]))),
    )


def _admit(ask: Ask) -> Step:
    async def step(world: World, admissions: list[Admission]) -> Admission:
        admissions.append(await world.limits.admit(ask))
        return admissions[-1]

    return step


def _end(kind: str, dice: random.Random, *, index: int, asks: list[Ask]) -> Step:
    ask, status, publish = asks[index], dice.choice([202, 429]), dice.choice(PUBLISHES)

    async def step(world: World, admissions: list[Admission]) -> Any:
        if kind == "release":
            return await world.limits.release(ask, admissions[index], publish)
        if ask.claim is None:
            return await world.limits.note_confirmed(ask.tracking_id)
        if kind == "look_up":
            return await world.limits.look_up(ask.claim)
        return await world.limits.answer(ask.claim, status=status, body=b"%d" % index, ttl_seconds=60, confirmed=None)

    return step


async def _play(world: World, steps: list[Step]) -> list[Any]:
    """Return what a caller sees after every step; days and waits hang on the clock and are left out."""
    admissions: list[Admission] = []
    seen = []
    for step in steps:
        answer = await step(world, admissions)
        if isinstance(answer, Admission):
            said = (answer.verdict, answer.tracking_id, answer.status, answer.body, answer.limited)
            answer = (*said, answer.quota_day is not None)
        seen.append((answer, await world.used(CLIENT)))
    return seen


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(seconds=60)], ids=["always dead", "never dead"])
@pytest.mark.parametrize("seed", range(4))
async def test_the_same_history_gives_the_same_answers(
    seed: int, lease: timedelta, redis_url: str, run_id: str, tmp_path: Path
) -> None:
    rules = ClaimRules(lease=lease, ttl=timedelta(seconds=60))
    steps = _history(seed, 150)

    async with open_memory(rules=rules) as world:
        expected = await _play(world, steps)
    async with open_redis(redis_url, run_id, rules=rules) as world:
        in_redis = await _play(world, steps)
    async with open_sqlite(tmp_path / "limits.db", rules=rules) as world:
        in_sqlite = await _play(world, steps)

    assert in_redis == expected
    assert in_sqlite == expected
    assert len({answer[0] for answer, _ in expected if isinstance(answer, tuple)}) >= 4, "a history worth its name"
