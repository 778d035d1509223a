"""`smsgw providers`: which adapters there are, what each takes and means, and one message as it would be sent."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from smsgw.core.country import country_of
from smsgw.core.failure import SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.phone import Numbers
from smsgw.core.ports import Provider, Submit
from smsgw.core.sender import RULE, is_sender
from smsgw.core.wishes import MAX_TEXT
from smsgw.providers.base import Adapter
from smsgw.providers.describing import Option, meanings, options_of
from smsgw.providers.redaction import Redactor, ShownRequest
from smsgw.providers.registry import ProviderSetupError, find, kinds, open_adapter, values_of_environment
from smsgw.providers.transport import AiohttpTransport
from smsgw.settings import SettingsError, WorkerSettings, load_worker, parse_providers
from smsgw.settings import documents as read_documents
from smsgw.wiring.process import utc_now

_VALIDITY_SECONDS = 600


class AdapterLine(msgspec.Struct, frozen=True, kw_only=True):
    """An installed adapter, or why it cannot be used."""

    kind: str
    title: str = ""
    abilities: list[str] = []
    problem: str | None = None


class AdapterPage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an adapter says of itself."""

    kind: str
    title: str
    documentation: str
    abilities: list[str]
    options: list[Option]
    maps: list[tuple[str, list[tuple[str, str]]]]
    set_up: Sequence[str] = ()
    reports: str = ""
    limits: str = ""
    notes: Sequence[str] = ()


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One message at one provider: what is (or would be) asked, and what came of it when it was."""

    provider: str
    kind: str
    requests: list[ShownRequest]
    is_sent: bool
    result: SendResult | None = None


def adapters() -> list[AdapterLine]:
    """Return every installed adapter."""
    lines = []
    for kind in kinds():
        try:
            adapter = find(kind)
        except ProviderSetupError as error:
            lines.append(AdapterLine(kind=kind, problem=f"unusable: {error}"))
            continue
        if adapter is not None:
            title = adapter.about.title if adapter.about else ""
            lines.append(AdapterLine(kind=kind, title=title, abilities=_abilities(adapter)))
    return lines


def configured_providers(environ: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return PROVIDERS_CONFIG as table rows: name, aliases, adapter, active, operational, priority, note."""
    _, document = read_documents(environ)
    if document is None:
        return []
    providers = parse_providers(document)
    rows: list[tuple[str, ...]] = []
    for name in providers:
        config = providers[name]
        kind = providers.kind_of(name)
        flags = ("yes" if config.is_active else "no", "yes" if config.is_operational else "no")
        priority = "" if config.priority is None else str(config.priority)
        rows.append((name, ", ".join(config.aliases), _shown(kind), *flags, priority, config.note or ""))
    return rows


def adapter_page(kind: str) -> AdapterPage:
    """Return what an adapter says of itself; raises SettingsError when there is none of this kind."""
    try:
        adapter = find(kind)
    except ProviderSetupError as error:
        raise SettingsError(str(error)) from None
    if adapter is None:
        raise SettingsError(f"there is no adapter {kind[:64]!r}; one of {', '.join(kinds())}")
    about = adapter.about
    page = AdapterPage(
        kind=kind,
        title=about.title if about else kind,
        documentation=about.documentation if about else "",
        abilities=_abilities(adapter),
        options=options_of(adapter.config_type),
        maps=meanings(about) if about else [],
    )
    if about is None:
        return page
    return msgspec.structs.replace(
        page, set_up=about.set_up, reports=about.reports, limits=about.limits, notes=about.notes
    )


def try_provider(
    environ: Mapping[str, str], name: str, *, to: str, text: str, sender: str | None, is_sent: bool
) -> Trial:
    """Return the request that a message would become at a provider, also at an inactive one; with `is_sent` it is
    really sent. Raises SettingsError for what is wrong with the settings or the message."""
    settings = load_worker(environ)
    resolved = settings.providers.resolve(name)
    if resolved is None:
        raise SettingsError(f"PROVIDERS_CONFIG: has no {name[:64]!r}; one of {', '.join(settings.providers)}")
    submit = _submit(settings, resolved, to=to, text=text, sender=sender)
    try:
        adapter = open_adapter(resolved, settings.providers, environ=environ, public_url=settings.public_url)
    except ProviderSetupError as error:
        raise SettingsError(str(error)) from None
    read = values_of_environment(settings.providers[resolved].options, environ)
    redactor = Redactor((*adapter.secrets(), *read))
    return asyncio.run(_try(settings, resolved, adapter, submit, redactor, is_sent=is_sent))


class _Recorder(httpx.AsyncBaseTransport):
    """Keeps what is asked; lets it out only where there is another transport behind it."""

    def __init__(self, behind: httpx.AsyncBaseTransport | None) -> None:
        self._behind = behind
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._behind is None:
            raise httpx.ConnectError("nothing is sent")
        return await self._behind.handle_async_request(request)


async def _try(
    settings: WorkerSettings, name: str, adapter: Adapter[Any], submit: Submit, redactor: Redactor, *, is_sent: bool
) -> Trial:
    async with AsyncExitStack() as stack:
        behind = None
        if is_sent:
            behind = AiohttpTransport(limit=1)
            stack.push_async_callback(behind.aclose)
        recorder = _Recorder(behind)
        provider = adapter.provider(name, transport=recorder, timeout=settings.provider_timeout, clock=utc_now)
        stack.push_async_callback(provider.close)
        result = await (_send(provider, submit) if is_sent else provider.send(submit))
    return Trial(
        provider=name,
        kind=settings.providers.kind_of(name),
        requests=[redactor.request(each) for each in recorder.requests],
        is_sent=is_sent,
        # Without a transport nothing can have come of it.
        result=result if is_sent else None,
    )


async def _send(provider: Provider, submit: Submit) -> SendResult:
    """Send while the provider holds open what it needs. A report that comes meanwhile is not taken, so that it comes
    again to a worker."""

    async def keep(reports: Sequence[DeliveryReport]) -> bool:  # noqa: ARG001
        return False

    running = asyncio.create_task(provider.run(keep, lambda _: None))
    try:
        return await provider.send(submit)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _submit(settings: WorkerSettings, provider: str, *, to: str, text: str, sender: str | None) -> Submit:
    numbers = Numbers(settings.default_region)
    number = numbers.e164(to)
    if number is None:
        raise SettingsError(f"--to: {numbers.mistake(to)}")
    if not 1 <= len(text) <= MAX_TEXT:
        raise SettingsError(f"--text: 1 to {MAX_TEXT} characters expected")
    if sender is not None and not is_sender(sender):
        raise SettingsError(f"--sender: {RULE}")
    return Submit(
        reference=uuid4(),
        to=number,
        text=text,
        validity_seconds=_VALIDITY_SECONDS,
        asked_at=datetime.now(UTC),
        sender=sender or settings.providers.sender_of(provider, country_of(number)),
    )


def _abilities(adapter: type[Adapter[Any]]) -> list[str]:
    return [str(each) for each in adapter.abilities()]


def _shown(kind: str) -> str:
    try:
        return kind if find(kind) is not None else f"{kind} (not installed)"
    except ProviderSetupError:
        return f"{kind} (unusable)"
