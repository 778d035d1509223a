"""I14: after load, faults and heal, everything that a process holds is back at what it held before."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from smsgw.transports.stores.database.migrate import migrate
from tests.faults.proxy import Proxy, proxy_thread
from tests.invariants import Caller
from tests.journey.calling import Load
from tests.journey.process import until
from tests.journey.product import Product, running
from tests.journey.promises import kept
from tests.servers import OwnPostgres, OwnRabbitmq, OwnRedis

LOAD = 150
CALM_SECONDS = 2.0
"""What has not changed for so long has settled."""
TOLERANCE, LEAST_TOLERANCE = 0.05, 2
Usage = dict[str, float]


class Site(NamedTuple):
    """A product, its services, and the networks between them."""

    product: Product
    caller: Caller
    redis: OwnRedis
    rabbitmq: OwnRabbitmq
    postgres: OwnPostgres
    networks: Sequence[Proxy]

    def load(self, word: str) -> Load:
        """Send beside the test."""
        return Load(LOAD, lambda number: self.caller.insist(f"{word}-{number}"))

    def usage(self) -> Usage:
        """Return how much of everything is in use."""
        used: Usage = {}
        for role in ("gateway", "worker"):
            process = self.product.named(role)
            used[f"files of the {role}"] = _files(process.popen.pid, besides=self._vendor_ports())
            used[f"tasks of the {role}"] = process.metric("smsgw_asyncio_tasks") or 0
        for what in ("connections", "channels"):
            used[f"AMQP {what}"] = len(self.rabbitmq.ctl(f"list_{what}", "pid").splitlines())
        with redis.Redis.from_url(self.redis.url) as client:
            used["Redis connections"] = len(client.client_list())
        with psycopg.connect(self.postgres.url) as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            used["PostgreSQL connections"] = (connection.execute(count).fetchone() or [0])[0]
        return used

    def _vendor_ports(self) -> set[int]:
        """Where worker and provider call each other: they keep idle connections for a while, on purpose."""
        urls = [self.product.named(name).url for name in ("worker", "provider-Provider-A")]
        return {urlsplit(url).port or 0 for url in urls}


@pytest.fixture
def site(
    own_redis: OwnRedis,
    own_rabbitmq: OwnRabbitmq,
    own_postgres: OwnPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    migrate(own_postgres.url, wait_seconds=10, say=lambda _line: None)
    servers = {"REDIS_URL": own_redis, "RABBITMQ_URL": own_rabbitmq, "DATABASE_URL": own_postgres}
    with ExitStack() as stack:
        ways = {name: stack.enter_context(proxy_thread(server.url)) for name, server in servers.items()}
        services = {name: url for name, (_, url) in ways.items()}
        product = stack.enter_context(running(tmp_path_factory.mktemp("leaks"), services))
        product.add_provider("Provider-A", "--latency", "0.02")
        product.start()
        caller = Caller(product.clients, product.named("gateway"))
        networks = [network for network, _ in ways.values()]
        yield Site(product, caller, own_redis, own_rabbitmq, own_postgres, networks)


@pytest.mark.timeout(240)
def test_load_faults_and_heal_leave_nothing_behind(site: Site) -> None:
    site.load("warm-up").results()
    assert kept(site.product, site.caller.calls)
    before = _settled(site)

    for turn in (1, 2, 3):
        load = site.load(f"cut-{turn}")
        for share in (30, 90):
            load.wait_for(share)
            for network in site.networks:
                network.cut()
        load.results()
    for server in (site.redis, site.rabbitmq, site.postgres):
        load = site.load(type(server).__name__)
        server.stop()
        server.start()
        load.results()
    assert kept(site.product, site.caller.calls)

    until(lambda: not _leaks(before, site.usage()), seconds=40, what=lambda: str(_leaks(before, site.usage())))


def _files(pid: int, *, besides: set[int]) -> int:
    """Return how many files a process has open, without its TCP connections from or to these ports."""
    process = psutil.Process(pid)
    tcp = [each for each in process.net_connections("tcp") if each.raddr]
    return int(process.num_fds()) - sum(bool({each.laddr.port, each.raddr.port} & besides) for each in tcp)


def _settled(site: Site) -> Usage:
    """Return what is in use once that stays as it is."""
    usage, since = site.usage(), time.monotonic()

    def is_calm() -> bool:
        nonlocal usage, since
        if (now := site.usage()) != usage:
            usage, since = now, time.monotonic()
        return time.monotonic() - since > CALM_SECONDS

    until(is_calm, seconds=60, what=lambda: f"calm: {usage}")
    return usage


def _leaks(before: Usage, now: Usage) -> dict[str, tuple[float, float]]:
    """Return what is not back where it was: before and now."""
    return {
        name: (before[name], now[name])
        for name in before
        if abs(now[name] - before[name]) > max(LEAST_TOLERANCE, TOLERANCE * before[name])
    }
