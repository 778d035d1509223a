"""`smsgw bench`: what does this installation do?"""

from typing import Annotated

import typer

from smsgw.cli.failing import one_line


def bench(
    seconds: Annotated[float, typer.Option(help="How long to send.", min=1, max=600)] = 10,
    connections: Annotated[int, typer.Option(help="Concurrent connections.", min=1, max=512)] = 32,
    processes: Annotated[int, typer.Option(help="Load generator processes.", min=1, max=16)] = 1,
) -> None:
    """Measure this installation: accepted/s, latency, messages/s until SENT, CPU per 1000 messages, durability.

    Starts a gateway, a worker and a provider of its own (rate limits 0) on QUEUE_URL, DATABASE_URL and LIMITS_URL,
    under queue and key names of its own; without those settings on one SQLite file. Example: smsgw bench --seconds 10
    """
    from smsgw.settings import environment
    from smsgw.wiring.bench import run_bench

    with one_line():
        run_bench(environment(), seconds=seconds, connections=connections, processes=processes, say=typer.echo)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(bench)
