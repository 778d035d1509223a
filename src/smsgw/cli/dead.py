"""`smsgw dead list | show | replay`: the dead-letter queue, for the operator who was called."""

from typing import Annotated

import typer

from smsgw.cli.failing import fail, one_line

app = typer.Typer(help="Read and replay the dead-letter queue of QUEUE_URL.", no_args_is_help=True)


@app.command("list")
def list_(limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=10_000)] = 50) -> None:
    """List dead letters, oldest first: id, when, why, how large. Nothing is removed. Example: smsgw dead list"""
    from rich.console import Console
    from rich.table import Table

    from smsgw.settings import environment
    from smsgw.wiring.operate import dead_letters

    with one_line():
        letters = dead_letters(environment(), limit=limit)
    table = Table("id", "died at", "reason", "bytes")
    for letter in letters:
        died_at = letter.died_at.isoformat() if letter.died_at else ""
        table.add_row(letter.id, died_at, letter.reason, str(len(letter.body)))
    Console().print(table if letters else "The dead-letter queue is empty.")


@app.command()
def show(letter_id: Annotated[str, typer.Argument(help="From `smsgw dead list`.")]) -> None:
    """Show one dead letter with the number masked and without its text. Example: smsgw dead show 3f2a..."""
    from smsgw.settings import environment
    from smsgw.wiring.operate import dead_letters, masked_body

    with one_line():
        letters = dead_letters(environment(), limit=10_000)
    letter = next((each for each in letters if each.id == letter_id), None)
    if letter is None:
        raise fail(f"no dead letter {letter_id!r}; see `smsgw dead list`")
    typer.echo(f"id: {letter.id}\nreason: {letter.reason}\nbody: {masked_body(letter.body)}")


@app.command()
def replay(letter_id: Annotated[str, typer.Argument(help="From `smsgw dead list`.")]) -> None:
    """Put one dead letter back on the outbound queue; the worker drops it if it has the message already.

    Example: smsgw dead replay 3f2a...
    """
    from smsgw.settings import environment
    from smsgw.wiring.operate import replay_dead_letter

    with one_line():
        is_replayed = replay_dead_letter(environment(), letter_id)
    if not is_replayed:
        raise fail(f"no dead letter {letter_id!r}, or the broker did not confirm it; nothing was removed")
    typer.echo(f"replayed {letter_id}")
