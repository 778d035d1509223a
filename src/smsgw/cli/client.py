"""`smsgw send` and `smsgw status`: a running gateway and worker, as an application sees them."""

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from smsgw.cli.failing import fail, one_line

FINAL = ("DELIVERED", "FAILED")


def send(
    to: Annotated[str, typer.Argument(help="E.164, e.g. +4915112345678.")],
    text: Annotated[str, typer.Argument(help="1 to 1000 characters.")],
    provider: Annotated[list[str] | None, typer.Option(help="Ask these, in this order (repeat).")] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds it may take.")] = None,
    sender: Annotated[str | None, typer.Option(help="Whom it comes from: a number, a short code, a name.")] = None,
    max_segments: Annotated[int | None, typer.Option(help="Refuse a text that takes more.", min=1)] = None,
    smart: Annotated[
        bool | None, typer.Option("--smart/--as-it-is", help="Plain characters for typographic ones, or never.")
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Makes a retry of this command the same message.")] = None,
) -> None:
    """Send one SMS through the gateway at SMSGW_URL (http://127.0.0.1:8000) with the key in SMSGW_API_KEY.

    Prints the tracking id, and beside it, on the standard error, what a text takes that is not one segment of GSM
    7-bit. Example: SMSGW_API_KEY=... smsgw send +4915112345678 "Your code is 1234"
    """
    wishes = {
        "providers": provider or None,
        "ttl_seconds": ttl,
        "sender": sender,
        "max_segments": max_segments,
        "smart_encoding": smart,
    }
    body = {"to": to, "text": text, **{name: wish for name, wish in wishes.items() if wish is not None}}
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    environ = _environment()
    base = environ.get("SMSGW_URL", "http://127.0.0.1:8000")
    answer = _call(environ, "POST", f"{base.rstrip('/')}/api/v1/sms/send", headers=headers, json=body)
    typer.echo(answer["tracking_id"])
    if taken := taken_by(answer):
        typer.echo(taken, err=True)


def status(
    tracking_id: Annotated[str, typer.Argument(help="What `smsgw send` printed.")],
    wait: Annotated[float, typer.Option(help="Seconds to wait for a final state.", min=0, max=3600)] = 0,
) -> None:
    """Show what became of a message, from the worker at SMSGW_WORKER_URL (http://127.0.0.1:9000).

    Exit code 0 unless it FAILED. Example: smsgw status 3fa85f64-5717-4562-b3fc-2c963f66afa6 --wait 10
    """
    environ = _environment()
    base = environ.get("SMSGW_WORKER_URL", "http://127.0.0.1:9000")
    url = f"{base.rstrip('/')}/api/status/{tracking_id}"
    deadline = time.monotonic() + wait
    story = _call(environ, "GET", url)
    while story["status"] not in FINAL and time.monotonic() < deadline:
        time.sleep(0.5)
        story = _call(environ, "GET", url)
    _print_story(story)
    if story["status"] == "FAILED":
        raise typer.Exit(1)


def _environment() -> Mapping[str, str]:
    from smsgw.settings import environment

    with one_line():
        return environment()


def _call(environ: Mapping[str, str], method: str, url: str, **arguments: Any) -> dict[str, Any]:
    import httpx

    key = environ.get("SMSGW_API_KEY", "")
    if not key:
        raise fail("SMSGW_API_KEY is not set; `smsgw dev` prints one", code=2)
    headers = {"API-Key": key, **arguments.pop("headers", {})}
    try:
        response = httpx.request(method, url, headers=headers, timeout=10, trust_env=False, **arguments)
        answer = response.json()
    except httpx.HTTPError as error:
        raise fail(f"{url}: {type(error).__name__}: is it running? ({error})") from None
    except (ValueError, httpx.InvalidURL) as error:
        raise fail(f"{url}: not an answer of smsgw ({error})") from None
    if response.is_error:
        details = f" {answer['details']}" if answer.get("details") else ""
        raise fail(f"{response.status_code} {answer.get('error_code')}: {answer.get('message')}{details}")
    return dict(answer)


def _print_story(story: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    reason = f" ({story['reason']})" if story["reason"] else ""
    provider = f" via {story['provider_final']}" if story["provider_final"] else ""
    console = Console()
    console.print(f"{story['tracking_id']}  [bold]{story['status']}[/bold]{reason}{provider}")
    for line in costs(story):
        console.print(line, markup=False, highlight=False)
    table = Table("at", "event", "provider", "details")
    for event in story["events"]:
        details = ", ".join(f"{name}={value}" for name, value in event["details"].items())
        table.add_row(event["created_at"], event["event_type"], event["provider"] or "", details)
    console.print(table)


def costs(story: dict[str, Any]) -> Iterator[str]:
    """Say whom a message came from and what each provider took for it, as far as anybody told. A worker of the release
    before tells none of it."""
    if story.get("sender"):
        yield f"from {story['sender']}"
    for attempt in story["attempts"]:
        segments, price, currency = (attempt.get(name) for name in ("segments", "price", "currency"))
        counted = None if segments is None else f"{segments} segment{'' if segments == 1 else 's'}"
        paid = None if price is None else " ".join(filter(None, (price, currency)))
        if counted or paid:
            yield f"{attempt['provider']}: {', '.join(filter(None, (counted, paid)))}"


def taken_by(answer: dict[str, Any]) -> str:
    """Say what a text takes, and why, where somebody may want to change it: it is dearer than it has to be. A gateway
    of the release before tells nothing of it."""
    count, forcing = answer.get("segments"), answer.get("forced_by")
    if count is None or (count == 1 and not forcing):
        return ""
    named = ", ".join(f"{each!r} (U+{ord(each):04X})" for each in forcing or ())
    return f"{count} segment{'' if count == 1 else 's'}, {answer['encoding']}" + (
        f" because of {named}" if named else ""
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(send)
    app.command()(status)
