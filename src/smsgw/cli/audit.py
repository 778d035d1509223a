"""`smsgw audit`: do the books balance?"""

from typing import Annotated

import typer

from smsgw.cli.failing import fail, one_line


def audit(
    hours: Annotated[float, typer.Option(help="How far back to look.", min=0.02, max=48)] = 48,
    stuck: Annotated[int, typer.Option(help="List at most this many stuck messages.", min=0, max=1000)] = 20,
) -> None:
    """Balance confirmed publishes against rows: is anything lost, stuck or unknown?

    Needs DATABASE_URL, LIMITS_URL and QUEUE_URL. Exit code 0: nothing lost, 1: something is lost, 2: cannot tell.
    Example: smsgw audit --hours 2
    """
    from smsgw.settings import environment
    from smsgw.wiring.operate import run_audit

    with one_line():
        balance = run_audit(environment(), hours=hours, stuck=stuck)
    for line in balance.lines:
        typer.echo(line)
    if balance.problem:
        # What is lost stays lost, whatever else could not be looked at.
        raise fail(balance.problem, code=1 if balance.lost else 2)
    if balance.lost:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(audit)
