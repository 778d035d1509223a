"""The services of every suite as fixtures, and a summary that cannot be overlooked when one of them is missing."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, NoReturn, TypeVar

import pytest

from tests import services
from tests.scheduling import Spread, spread
from tests.servers import OwnPostgres, OwnRabbitmq, OwnRedis, OwnServer, missing_binaries

MISSING = "SERVICE MISSING: "
Server = TypeVar("Server", bound=OwnServer)


def pytest_configure(config: pytest.Config) -> None:
    services.open_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    services.close_run()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = spread(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    return Spread(config, log)


@pytest.fixture(scope="session")
def run_id() -> str:
    """A short random word of this process, for key prefixes and queue names."""
    return secrets.token_hex(4)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test opens is closed at its end, the last one first."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis to share: use your own key prefix, never FLUSH."""
    return _required("redis")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """A RabbitMQ to share: use your own queue names and delete them."""
    return _required("rabbitmq")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty database of this process on a shared PostgreSQL; for more of them see `services.free_database`."""
    with services.free_database(_required("postgres")) as url:
        yield url


@pytest.fixture(scope="module")
def _module_redis() -> Iterator[OwnRedis]:
    yield from _own(OwnRedis)


@pytest.fixture(scope="module")
def _module_rabbitmq() -> Iterator[OwnRabbitmq]:
    yield from _own(OwnRabbitmq)


@pytest.fixture(scope="module")
def _module_postgres() -> Iterator[OwnPostgres]:
    yield from _own(OwnPostgres)


@pytest.fixture
def own_redis(_module_redis: OwnRedis) -> Iterator[OwnRedis]:
    """A Redis of this module alone, running when the test begins, whatever the test before did to it."""
    yield from _healed(_module_redis)


@pytest.fixture
def own_rabbitmq(_module_rabbitmq: OwnRabbitmq) -> Iterator[OwnRabbitmq]:
    """A RabbitMQ node of this module alone, running when the test begins."""
    yield from _healed(_module_rabbitmq)


@pytest.fixture
def own_postgres(_module_postgres: OwnPostgres) -> Iterator[OwnPostgres]:
    """A PostgreSQL of this module alone, running when the test begins."""
    yield from _healed(_module_postgres)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    missing: Counter[str] = Counter()
    for outcome in ("skipped", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, ()):
            _, found, rest = str(report.longrepr).partition(MISSING)
            if found:
                missing[rest.split(";")[0]] += 1
    if not missing:
        return
    terminalreporter.section("SERVICES WERE MISSING: THIS RUN PROVES LESS THAN IT SEEMS", sep="!", red=True, bold=True)
    for name, count in sorted(missing.items()):
        terminalreporter.write_line(f"NO {name.upper()}: {count} TESTS DID NOT RUN", red=True, bold=True)
    terminalreporter.write_line("Set TEST_REDIS_URL, TEST_RABBITMQ_URL and TEST_DATABASE_URL, or install the servers.")


def _required(name: str) -> str:
    url = services.find(name)
    if url is None:
        give_up(f"{MISSING}{name}; neither {services.SERVICES[name].variable} nor Docker nor a binary nor a local port")
    return url


def _own(kind: type[Server]) -> Iterator[Server]:
    absent = missing_binaries(kind)
    if absent:
        give_up(f"{MISSING}binaries {', '.join(absent)}; a server that may be stopped has to be our own")
    server = services.own_server(kind)
    assert isinstance(server, kind)
    server.start()
    yield server
    server.remove()


def _healed(server: Server) -> Iterator[Server]:
    server.thaw()
    server.start()
    yield server
    server.thaw()


def give_up(why: str) -> NoReturn:
    """Fail in CI, where everything must be there; skip elsewhere, to be summed up at the end."""
    if services.is_ci():
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
