"""`smsgw erase`: takes a telephone number out of the database."""

from typing import Annotated

import typer

from smsgw.cli.failing import fail, one_line


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(erase)


def erase(
    number: Annotated[str, typer.Argument(help="The number, in E.164.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the messages, and change nothing.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel messages that wait in the queue first.")] = False,
) -> None:
    """Erase a number, with text and sender, from every message in DATABASE_URL that will not be sent any more.

    What may still be sent is told and left (exit code 1): run it again when that is final. What lies outside of the
    database is listed in docs/how-to/data-care.md. Example: smsgw erase +4915112345678 --dry-run
    """
    from smsgw.settings import environment
    from smsgw.wiring.erase import count_number, erase_number

    if dry_run:
        with one_line():
            found = count_number(environment(), number)
        typer.echo(f"{found.final} messages would be erased, {found.waiting} may still be sent; nothing was changed")
        return
    with one_line():
        done = erase_number(environment(), number, is_cancelling=cancel)
    cancelled = f", {done.cancelled} of them cancelled before" if cancel else ""
    typer.echo(f"{done.messages} messages erased{cancelled}")
    if done.left:
        raise fail(f"{done.left} messages may still be sent and keep the number; run this again when they are final")
