"""`smsgw gateway | worker | migrate | dev | mock-provider | providers`: the processes."""

from pathlib import Path
from typing import Annotated

import typer

from smsgw.cli.failing import fail, starting, teller


def gateway() -> None:
    """Run the gateway ("Server A"): HTTP in, queue out.

    Needs CLIENT_CONFIG and PROVIDERS_CONFIG; see docs/reference/settings.md. Example:

    CLIENT_CONFIG_FILE=clients.json PROVIDERS_CONFIG_FILE=providers.json smsgw gateway
    """
    from smsgw.settings import environment
    from smsgw.wiring.gateway import run_gateway

    with starting("server-a"):
        run_gateway(environment())


def worker() -> None:
    """Run the worker ("Server B"): queue in, providers out, status and webhooks over HTTP.

    Run `smsgw migrate` first. Example:

    DATABASE_URL=postgresql://smsgw@db/smsgw PROVIDERS_CONFIG_FILE=providers.json smsgw worker
    """
    from smsgw.settings import environment
    from smsgw.wiring.worker import run_worker

    with starting("server-b"):
        run_worker(environment())


def migrate(
    wait: Annotated[float, typer.Option(help="Seconds to wait for the database server.", min=0)] = 60,
) -> None:
    """Bring the database of DATABASE_URL to this release's schema; safe to run twice and from several places.

    Example: DATABASE_URL=postgresql://smsgw@db/smsgw smsgw migrate --wait 120
    """
    from smsgw.settings import database_url, environment
    from smsgw.wiring.migrate import run_migrate

    with starting("migrate"):
        run_migrate(database_url(environment()), wait_seconds=wait, say=teller("migrate", "migrate.progress"))


def dev(
    port: Annotated[
        int, typer.Option(help="Port of everything: API, status, webhooks, docs.", min=0, max=65535)
    ] = 8000,
    data: Annotated[Path, typer.Option(help="Directory of the SQLite file and the generated key.")] = Path(".smsgw"),
) -> None:
    """Run everything in one process on one SQLite file, with simulated providers. Nothing else is needed.

    Prints an API key, a `curl` line and the addresses. Example: smsgw dev --port 8080
    """
    from smsgw.settings import environment
    from smsgw.wiring.dev import run_dev

    with starting("smsgw-dev"):
        run_dev(environment(), port=port, directory=data, say=typer.echo)


def mock_provider(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9100,
    api_key: Annotated[str, typer.Option(help="The Bearer key that callers must present.")] = "demo-key",
    webhook_url: Annotated[str, typer.Option(help="Where delivery reports go; empty for none.")] = "",
    webhook_secret: Annotated[str, typer.Option(help="Signs the reports; default: the API key.")] = "",
    latency: Annotated[float, typer.Option(help="Mean seconds before an answer.", min=0)] = 0.05,
    jitter: Annotated[float, typer.Option(help="Spread of the latency, 0 to 1.", min=0, max=1)] = 0.2,
    error_rate: Annotated[float, typer.Option(help="Share answered 500.", min=0, max=1)] = 0,
    throttle_rate: Annotated[float, typer.Option(help="Share answered 429.", min=0, max=1)] = 0,
    reject_rate: Annotated[float, typer.Option(help="Share refused (REJECTED).", min=0, max=1)] = 0,
    hang_rate: Annotated[float, typer.Option(help="Share accepted and never answered.", min=0, max=1)] = 0,
    report_delay: Annotated[float, typer.Option(help="Seconds until a report.", min=0)] = 1,
    no_report_rate: Annotated[float, typer.Option(help="Share without a report.", min=0, max=1)] = 0,
    duplicate_report_rate: Annotated[float, typer.Option(help="Share reported twice.", min=0, max=1)] = 0,
    look_up: Annotated[bool, typer.Option(help="Answer look-ups by reference.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the dice.")] = 1,
    journal: Annotated[Path | None, typer.Option(help="File that keeps what was accepted over a restart.")] = None,
) -> None:
    """Run a provider to practise with: it speaks `provider_a`'s side and sends signed delivery reports.

    Numbers with magic endings misbehave on purpose; see docs/reference/providers.md. Example:

    smsgw mock-provider --port 9100 --webhook-url http://127.0.0.1:9000/webhooks/delivery-report/Provider-A
    """
    options = dict(locals())

    from smsgw.wiring.simulator import run_mock_provider

    with starting("mock-provider"):
        run_mock_provider(**options)


def providers() -> None:
    """List the providers of PROVIDERS_CONFIG and the adapters that are installed.

    Example: PROVIDERS_CONFIG_FILE=providers.json smsgw providers
    """
    from rich.console import Console
    from rich.table import Table

    from smsgw.settings import SettingsError, environment
    from smsgw.wiring.configuration import adapters, configured_providers

    console = Console()
    kinds = Table("adapter", "abilities", title="Installed adapters")
    for kind, abilities in adapters():
        kinds.add_row(kind, abilities)
    console.print(kinds)
    try:
        rows = configured_providers(environment())
    except SettingsError as error:
        raise fail(str(error), code=2) from None
    table = Table(
        "provider", "aliases", "adapter", "active", "operational", "priority", "note", title="PROVIDERS_CONFIG"
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (gateway, worker, migrate, dev, mock_provider, providers):
        app.command()(command)
