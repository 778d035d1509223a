"""Failpoints: what arms them, what they do, and that they do nothing unless somebody asked."""

import asyncio
from collections.abc import Iterator

import pytest

from smsgw import failpoints


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    failpoints.arm("")
    yield
    failpoints.arm("")


async def test_nothing_happens_at_a_point_that_is_not_armed() -> None:
    operation = asyncio.get_running_loop().create_future()
    failpoints.arm("G2=raise:OSError")

    failpoints.reach("G1")

    assert failpoints.under_way("G1", operation) is operation


def test_an_armed_point_raises_every_time() -> None:
    assert failpoints.arm("G1=raise:OSError; W3=raise:RuntimeError") == ("G1", "W3")

    for _ in range(2):
        with pytest.raises(OSError, match="a failpoint"):
            failpoints.reach("G1")
    with pytest.raises(RuntimeError):
        failpoints.reach("W3")


def test_once_and_skip() -> None:
    failpoints.arm("W4=raise:ValueError,once,skip:2")
    raised = []
    for passage in range(5):
        try:
            failpoints.reach("W4")
        except ValueError:
            raised.append(passage)

    assert raised == [2]


def test_a_point_says_that_it_acts() -> None:
    told: list[str] = []
    failpoints.arm("W4=raise:ValueError,once;G1=kill", tell=told.append)

    with pytest.raises(ValueError, match="a failpoint"):
        failpoints.reach("W4")
    failpoints.reach("W4")
    failpoints.reach("W8")

    assert told == ["W4"]


async def test_in_the_middle_of_an_operation() -> None:
    failpoints.arm("W5=raise:ConnectionError")
    has_begun = asyncio.Event()

    async def operation() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    with pytest.raises(ConnectionError):
        await failpoints.under_way("W5", operation())
    assert has_begun.is_set()


async def test_an_interrupted_operation_has_ended_before_its_caller_hears_of_it() -> None:
    failpoints.arm("W7=raise:ValueError")
    has_ended = asyncio.Event()

    async def operation() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            has_ended.set()

    with pytest.raises(ValueError, match="a failpoint"):
        await failpoints.under_way("W7", operation())
    assert has_ended.is_set()


async def test_an_operation_that_fails_by_itself_says_so() -> None:
    failpoints.arm("W7=sleep:0.01")
    broken = asyncio.get_running_loop().create_future()
    broken.set_exception(OSError("gone"))

    with pytest.raises(OSError, match="gone"):
        await failpoints.under_way("W7", broken)


async def test_an_operation_goes_on_after_a_sleep() -> None:
    failpoints.arm("W7=sleep:0.01")

    assert await failpoints.under_way("W7", asyncio.sleep(0, "committed")) == "committed"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("X1=kill", "X1"),
        ("G1", "none of kill"),
        ("G1=explode", "explode"),
        ("G1=sleep:long", "sleep:long"),
        ("G1=raise:NoSuchError", "NoSuchError"),
        ("G1=raise:int", "raise:int"),
        ("G1=raise:SystemExit", "SystemExit"),
        ("G1=kill,twice", "twice"),
        ("G1=kill,skip:x", "skip:x"),
    ],
)
def test_a_mistake_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        failpoints.arm(text)


def test_the_points_are_those_of_the_fault_model() -> None:
    gateway, worker = [f"G{n}" for n in range(1, 8)], [f"W{n}" for n in range(1, 9)]

    assert list(failpoints.POINTS) == [*gateway, *worker, "D1", "D2", "D3", "D4", "S1", "S2"]
