"""Rate limits on the whole product: measured at the provider, over several workers, while a backlog waits."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest

from tests.faults.proxy import proxy_thread
from tests.journey.async_calling import ask, many_connections
from tests.journey.books import statuses
from tests.journey.calling import accepted, ledger, reaches
from tests.journey.process import Process, http, until
from tests.journey.product import Product, running

RATE = 10
SECONDS = 6
CONNECTIONS = 32
BACKLOG = 10_000
LATENCY_SAMPLE = 50


@pytest.fixture(params=[1, 2, 4])
def workers(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def summary(provider: Process) -> dict[str, Any]:
    """Return the provider's books in numbers."""
    return dict(http.get(provider.url + "/ledger/summary").json()["default"])


def flood(product: Product, messages: int, **body: Any) -> None:
    """Have so many messages accepted as fast as the gateway takes them."""
    gateway = product.named("gateway")

    async def go() -> None:
        left = iter(range(messages))
        async with many_connections() as session:

            async def caller() -> None:
                for _ in left:
                    assert 202 == (await ask(session, product, gateway, **body)).status

            await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))

    asyncio.run(go())


def within(provider: Process, after: timedelta, seconds: float) -> int:
    """Return how many messages the provider accepted in a span that begins `after` its first one."""
    times = sorted(datetime.fromisoformat(entry["accepted_at"]) for entry in ledger(provider))
    begin = times[0] + after
    return sum(begin <= each < begin + timedelta(seconds=seconds) for each in times)


def test_no_second_sees_more_than_the_rate_and_the_burst_and_the_rate_is_used(
    workers: int, services: dict[str, str], tmp_path: Path
) -> None:
    messages = RATE * (SECONDS + 3)
    with running(tmp_path, services) as product:
        provider = product.add_provider("Provider-A", "--no-report-rate", "1", rate_limit=RATE)
        product.start(workers=workers)
        flood(product, messages)
        until(lambda: summary(provider)["accepted"] >= messages, seconds=60, what=lambda: str(summary(provider)))

        books = summary(provider)
        steady = within(provider, timedelta(seconds=1.5), SECONDS)

    assert books["asked"] == books["accepted"] == messages
    assert books["max_in_any_second"]["asked"] <= 2 * RATE
    assert steady >= 0.95 * RATE * SECONDS


def test_another_providers_messages_keep_their_latency_behind_ten_thousand(
    services: dict[str, str], tmp_path: Path
) -> None:
    with running(tmp_path, services) as product:
        product.add_provider("Narrow", "--no-report-rate", "1", rate_limit=1)
        product.add_provider("Wide", "--no-report-rate", "1")
        product.start()
        gateway = product.named("gateway")
        before = latencies(product, [accepted(gateway, providers=["Wide"]) for _ in range(LATENCY_SAMPLE)])
        flood(product, BACKLOG, providers=["Narrow"])

        after = latencies(product, [accepted(gateway, providers=["Wide"]) for _ in range(LATENCY_SAMPLE)])
        waiting = [status for status in statuses(product).values() if status == "QUEUED"]

    assert len(waiting) > 0.9 * BACKLOG
    # On a quiet machine both are some 20 ms; on a busy one a batch of a hundred rows may be in front.
    assert percentile(after, 99) <= percentile(before, 99) + 0.5


def latencies(product: Product, tracking_ids: Sequence[str]) -> list[float]:
    """Return the seconds from each request to SENT."""
    worker = product.named("worker")
    told = [reaches(worker, each, "SENT") for each in tracking_ids]
    return [_seconds(story["created_at"], _sent_at(story)) for story in told]


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _sent_at(story: dict[str, Any]) -> str:
    return next(str(event["created_at"]) for event in story["events"] if event["event_type"] == "SENT")


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_two_workers_share_the_turns(services: dict[str, str], tmp_path: Path) -> None:
    weights = {"Heavy": 5, "Middle": 3, "Light": 2}
    with running(tmp_path, {**services, "SMART_SELECTION_STRATEGY": "weighted"}) as product:
        providers = {
            name: product.add_provider(name, "--no-report-rate", "1", weight=weight) for name, weight in weights.items()
        }
        product.start(workers=2)

        flood(product, 1000)
        until(
            lambda: sum(summary(each)["accepted"] for each in providers.values()) == 1000,
            seconds=60,
            what=lambda: str({name: summary(each)["accepted"] for name, each in providers.items()}),
        )
        shares = {name: summary(each)["accepted"] for name, each in providers.items()}

    assert {name: weight * 100 for name, weight in weights.items()} == pytest.approx(shares, abs=10)


@pytest.mark.fault("F05", "I1 I3")
def test_with_the_limits_store_away_the_worker_sends_nothing_and_says_so(
    services: dict[str, str], tmp_path: Path
) -> None:
    with running(tmp_path, services) as product, proxy_thread(services["REDIS_URL"]) as (network, through):
        provider = product.add_provider("Provider-A", rate_limit=50)
        product.gateway()
        product.worker(LIMITS_URL=through)
        product.start(gateways=0, workers=0)
        gateway, worker = product.named("gateway"), product.named("worker")
        reaches(worker, accepted(gateway), "DELIVERED")

        network.swallow()
        worker.wait_unready(naming="limits")
        problems = worker.problems()
        waiting = accepted(gateway)
        reaches(worker, waiting, "QUEUED")
        sent_meanwhile = ledger(provider, waiting)
        network.heal()
        reaches(worker, waiting, "DELIVERED")

    assert ["limits"] == list(problems)
    assert [] == sent_meanwhile
