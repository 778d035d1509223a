"""How a command ends when something is wrong: one line on standard error that says what to do, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from smsgw.settings import SettingsError


def fail(message: str, *, code: int = 1) -> typer.Exit:
    """Print one line to standard error and return the exception that ends the command."""
    typer.echo(f"smsgw: {message}", err=True)
    return typer.Exit(code)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn what a wrong setting, a taken port or a missing adapter raises into one line and exit code 2."""
    try:
        yield
    except SettingsError as error:
        raise fail(str(error), code=2) from None
