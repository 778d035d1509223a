"""How a command ends when something is wrong: one line on standard error that says what to do, and an exit code."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import typer

from smsgw import failpoints
from smsgw.settings import SettingsError


def fail(message: str, *, code: int = 1) -> typer.Exit:
    """Print one line to standard error and return the exception that ends the command."""
    typer.echo(f"smsgw: {message}", err=True)
    return typer.Exit(code)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn what a wrong setting or a missing service raises into one line and exit code 2."""
    try:
        yield
    except SettingsError as error:
        raise fail(str(error), code=2) from None


@contextmanager
def starting(service: str, *, reloads: bool = False) -> Iterator[None]:
    """Do the same for a process whose output is a log: JSON, unless a person is looking at a terminal. `reloads`: it
    reads its files again on SIGHUP, and one that comes before it listens to it must not end it."""
    if reloads:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _arm_failpoints(service)
        yield
    except SettingsError as error:
        if sys.stderr.isatty():
            raise fail(str(error), code=2) from None
        typer.echo(_line(service, "critical", "start.refused", why=str(error)), err=True)
        raise typer.Exit(2) from None


def _arm_failpoints(service: str) -> None:
    """Arm what a test wants to break. It is said aloud, for nobody wants it in production."""

    def tell(point: str) -> None:
        typer.echo(_line(service, "warning", "failpoint.reached", point=point), err=True)

    try:
        armed = failpoints.arm(os.environ.get(failpoints.VARIABLE, ""), tell=tell)
    except ValueError as error:
        raise SettingsError(f"{failpoints.VARIABLE}: {error}") from None
    if armed:
        typer.echo(_line(service, "warning", "failpoints.armed", points=", ".join(armed)), err=True)


def teller(service: str, name: str) -> Callable[[str], None]:
    """Return a function that prints a line of progress: plain on a terminal, JSON elsewhere."""

    def tell(text: str) -> None:
        typer.echo(text if sys.stdout.isatty() else _line(service, "info", name, progress=text))

    return tell


def _line(service: str, level: str, message: str, **fields: str) -> str:
    now = datetime.now(UTC).isoformat()
    return json.dumps({"timestamp": now, "level": level, "service": service, "message": message, **fields})
