"""Everything that a run needs, started: services of its own, proxies between the parts, and the product."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from smsgw.transports.stores.database.migrate import migrate
from tests.chaos.nemesis import Component, Link, Role, Service
from tests.faults.proxy import proxy_thread
from tests.invariants import Caller
from tests.journey.process import Process
from tests.journey.product import OTHER_KEY, Product
from tests.servers import OwnPostgres, OwnRabbitmq, OwnRedis, OwnServer

QUOTA = 200
"""What the second client may send a day: a long run uses it up."""
_USUAL = ("--latency", "0.05", "--jitter", "0.5", "--duplicate-report-rate", "0.05", "--no-report-rate", "0.05")
_PROVIDERS = {
    "Provider-A": (10, ("--hang-rate", "0.02", "--error-rate", "0.02")),
    "Provider-B": (20, ("--hang-rate", "0.02", "--throttle-rate", "0.05", "--no-look-up")),
}
"""Priority and manners. Nobody can ask Provider-B what became of a message: what is unknown there is sent again."""


class Stage:
    """The product on its own services; `components` are what the nemesis may break, by the schedule's names."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.redis = OwnRedis(directory / "redis")
        self.rabbitmq = OwnRabbitmq(directory / "rabbitmq")
        self.postgres = OwnPostgres(directory / "postgres")
        self.components: dict[str, Component] = {}
        self.is_evidence = False
        """Set it to keep the directory with all logs."""
        self._proxies = ExitStack()

    @property
    def servers(self) -> tuple[OwnServer, ...]:
        """The services."""
        return self.redis, self.rabbitmq, self.postgres

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        for server in self.servers:
            server.start()
        migrate(self.postgres.url, wait_seconds=10, say=lambda _line: None)
        services = {"REDIS_URL": self.redis.url, "RABBITMQ_URL": self.rabbitmq.url, "DATABASE_URL": self.postgres.url}
        self.product = Product(self.directory, services)
        self.product.clients[OTHER_KEY]["daily_quota"] = QUOTA
        for name in _PROVIDERS:
            self._provider(name)
        self._roles()
        for process in self.product.processes:
            process.wait_ready()
        # RabbitMQ 3.10 forgets a quorum queue that was declared just before a SIGKILL.
        self.rabbitmq.ctl("eval", "dets:sync(ra_directory_reverse).")
        for name, server in {"redis": self.redis, "rabbitmq": self.rabbitmq, "postgres": self.postgres}.items():
            self.components[name] = Service(server)
        self.caller = Caller(self.product.clients, *self.gateways)

    @property
    def gateways(self) -> list[Process]:
        """Both gateways."""
        return [each for each in self.product.processes if each.name == "gateway"]

    @property
    def workers(self) -> list[Process]:
        """Both workers."""
        return [each for each in self.product.processes if each.name == "worker"]

    def heal(self) -> None:
        """Make everything whole, services first."""
        for component in sorted(self.components.values(), key=lambda each: isinstance(each, Role)):
            component.heal()

    def close(self) -> None:
        """Leave nothing running."""
        with ExitStack() as stack:
            for server in self.servers:
                stack.callback(server.remove)
            stack.callback(self._proxies.close)
            if hasattr(self, "product"):
                for process in self.product.processes:
                    stack.callback(process.end)

    def _provider(self, name: str) -> None:
        priority, manners = _PROVIDERS[name]
        journal = str(self.directory / f"{name}.journal")
        process = self.product.add_provider(name, *_USUAL, *manners, "--journal", journal, priority=priority)
        self.components[name] = Role(process)
        through = self._through(f"workers - {name}", process.url)
        self.product.providers[name]["options"]["base_url"] = through

    def _roles(self) -> None:
        gateways = {
            "REDIS_URL": self._through("gateways - redis", self.redis.url),
            "RABBITMQ_URL": self._through("gateways - rabbitmq", self.rabbitmq.url),
        }
        workers = {
            "RABBITMQ_URL": self._through("workers - rabbitmq", self.rabbitmq.url),
            "DATABASE_URL": self._through("workers - postgres", self.postgres.url),
        }
        for number in (1, 2):
            self.components[f"gateway {number}"] = Role(self.product.gateway(**gateways))
            self.components[f"worker {number}"] = Role(self.product.worker(**workers))

    def _through(self, name: str, url: str) -> str:
        """Put a proxy before a server and a link into the components; return the URL that leads through it."""
        proxy, through = self._proxies.enter_context(proxy_thread(url))
        self.components[name] = Link(proxy)
        return through


@contextmanager
def staged() -> Iterator[Stage]:
    """A stage that is ready, gone at the end; its directory stays when the block raises."""
    directory = Path(tempfile.mkdtemp(prefix="smsgw-chaos-"))
    directory.chmod(0o755)  # the postgres user has to pass through
    stage = Stage(directory)
    try:
        stage.start()
        yield stage
    finally:
        stage.close()
    if not stage.is_evidence:
        shutil.rmtree(directory, ignore_errors=True)
