"""`smsgw gateway | worker | migrate | dev | providers`: the processes."""

from pathlib import Path
from typing import Annotated

import typer

from smsgw.cli.failing import starting, teller


def gateway() -> None:
    """Run the gateway ("Server A"): HTTP in, queue out.

    Needs CLIENT_CONFIG and PROVIDERS_CONFIG; see docs/reference/settings.md. Example:

    CLIENT_CONFIG_FILE=clients.json PROVIDERS_CONFIG_FILE=providers.json smsgw gateway
    """
    from smsgw.settings import environment
    from smsgw.wiring.gateway import run_gateway

    with starting("server-a", reloads=True):
        run_gateway(environment())


def worker() -> None:
    """Run the worker ("Server B"): queue in, providers out, status and webhooks over HTTP.

    Run `smsgw migrate` first. Example:

    DATABASE_URL=postgresql://smsgw@db/smsgw PROVIDERS_CONFIG_FILE=providers.json smsgw worker
    """
    from smsgw.settings import environment
    from smsgw.wiring.worker import run_worker

    with starting("server-b", reloads=True):
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

    Prints an API key, a `curl` line, the addresses and a link that signs in to the console, once. Example: smsgw dev
    --port 8080
    """
    from smsgw.settings import environment
    from smsgw.wiring.dev import run_dev

    with starting("smsgw-dev"):
        run_dev(environment(), port=port, directory=data, say=typer.echo)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (gateway, worker, migrate, dev):
        app.command()(command)
