"""Readiness never waits long and never fails."""

import asyncio

from smsgw.web.readiness import Readiness


async def _fine() -> str | None:
    return None


async def _away() -> str | None:
    return "refused"


async def _never() -> str | None:
    await asyncio.Event().wait()
    return None


async def _broken() -> str | None:
    raise ConnectionError("amqp://user:password@host")


async def test_every_problem_is_named_within_a_second() -> None:
    readiness = Readiness({"a": _fine, "b": _away, "c": _never, "d": _never, "e": _broken})
    loop = asyncio.get_running_loop()
    began = loop.time()

    problems = await readiness.problems()

    assert problems == {
        "b": "refused",
        "c": "no answer within a second",
        "d": "no answer within a second",
        "e": "the check failed (ConnectionError)",
    }
    assert loop.time() - began < 1.5


async def test_nobody_is_asked_while_stopping() -> None:
    readiness = Readiness({"a": _never})

    readiness.draining = True

    assert await readiness.problems() == {"draining": "stopping"}


async def test_ready_without_problems() -> None:
    assert await Readiness({"a": _fine}).problems() == {}
