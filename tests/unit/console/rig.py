"""The console on doubles: memory books, memory store, cheap passwords, a browser that keeps cookies."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
from argon2 import PasswordHasher

from smsgw.core.admission import ClaimRules
from smsgw.core.keys import Clients
from smsgw.core.people import Role, User
from smsgw.core.providers import Providers
from smsgw.settings import load_worker
from smsgw.transports.books.memory import MemoryBooks
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.stores.memory import MemoryStore
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.worker.config import WorkerConfig
from smsgw.worker.console.console import Console, ConsoleRules
from smsgw.worker.console.handlers import console_handlers
from smsgw.worker.console.passwords import Passwords
from tests.unit.worker_http import operating

ORIGIN = "https://console.example"
PASSWORD = "a sentence that is easy to keep"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Rig:
    """One console; `now` is its clock, `facts` what it stated."""

    def __init__(self, *, rules: ConsoleRules | None = None, configured: str | None = None, **parts: Any) -> None:
        self.now = operating.NOW
        self.facts: list[Any] = []
        self.books = MemoryBooks()
        self.store = MemoryStore()
        self.providers = Providers.parse(configured or json.dumps(operating.PROVIDERS))
        self.clients = Clients.parse(json.dumps(operating.CLIENTS))
        shared: dict[str, Any] = {
            "store": self.store,
            "clients": lambda: self.clients,
            "configured": lambda: self.providers,
            "observer": self.facts.append,
            "clock": self.clock,
        }
        operations = operating.operations_on(**shared, providers=parts.pop("providers", {}), **parts)
        documents = {
            "CLIENT_CONFIG": json.dumps(operating.CLIENTS),
            "PROVIDERS_CONFIG": configured or json.dumps(operating.PROVIDERS),
        }
        self.config = WorkerConfig(load_worker(documents), open_providers=lambda _: {}, observer=self.facts.append)
        self.limits = MemoryLimits(rules=ClaimRules(), clock=self.clock)
        self.console = Console(
            config=self.config,
            limits=self.limits,
            books=self.books,
            operations=operations,
            passwords=Passwords(CHEAP),
            rules=rules or ConsoleRules(url=ORIGIN),
            **shared,
        )
        self.app: Any = build_app(
            title="worker",
            description="",
            route_handlers=console_handlers(self.console),
            readiness=Readiness({}),
            metrics_page=lambda: (b"", "text/plain"),
            observer=self.facts.append,
            clock=self.clock,
        )

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    async def user(self, name: str, role: Role, **fields: Any) -> User:
        """Make a user with the password PASSWORD."""
        made = User(
            name=name,
            role=role,
            password_hash=CHEAP.hash(PASSWORD),
            created_at=self.now,
            updated_at=self.now,
            **fields,
        )
        assert await self.books.people.put_user(made, None)
        return made

    async def browser(self, role: Role | None = None) -> "Browser":
        """Return a browser, signed in as a new user of this role."""
        browser = Browser(self.app)
        if role is not None:
            name = f"{role.value}-{len(await self.books.people.users())}"
            await self.user(name, role)
            signed_in = await browser.post("/console/sign-in", {"name": name, "password": PASSWORD})
            assert signed_in.status_code == 303, signed_in.text
        return browser


class Browser:
    """Keeps cookies, sends its origin, and takes the CSRF token from the page that has the form."""

    def __init__(self, app: Any) -> None:
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def post(
        self, path: str, fields: dict[str, Any], *, page: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a form with the token of `page`, else of the sign-in or the account's page."""
        token = await self.csrf(page)
        return await self.client.post(
            path, data={"csrf": token, **fields}, headers={"Origin": ORIGIN, **(headers or {})}
        )

    async def csrf(self, page: str | None = None) -> str:
        answer = await self.client.get(page or "/console/sign-in")
        if answer.status_code == 303:
            # Signed in: every page has the form that signs out.
            answer = await self.client.get("/console/nothing-here")
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text)
        assert found, answer.text
        return found[1]


Clock = Callable[[], datetime]
