"""`smsgw send` and `smsgw status`: a running gateway and worker, as an application sees them."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from smsgw.cli.failing import fail, one_line

FINAL = ("DELIVERED", "FAILED")


def send(
    to: Annotated[str, typer.Argument(help="E.164, e.g. +4915112345678.")],
    text: Annotated[str, typer.Argument(help="1 to 1000 characters.")],
    provider: Annotated[list[str] | None, typer.Option(help="Ask these, in this order (repeat).")] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds it may take.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Makes a retry of this command the same message.")] = None,
) -> None:
    """Send one SMS through the gateway at SMSGW_URL (http://127.0.0.1:8000) with the key in SMSGW_API_KEY.

    Prints the tracking id. Example: SMSGW_API_KEY=... smsgw send +4915112345678 "Your code is 1234"
    """
    body: dict[str, Any] = {"to": to, "text": text}
    if provider:
        body["providers"] = provider
    if ttl is not None:
        body["ttl_seconds"] = ttl
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    environ = _environment()
    base = environ.get("SMSGW_URL", "http://127.0.0.1:8000")
    answer = _call(environ, "POST", f"{base.rstrip('/')}/api/v1/sms/send", headers=headers, json=body)
    typer.echo(answer["tracking_id"])


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
    table = Table("at", "event", "provider", "details")
    for event in story["events"]:
        details = ", ".join(f"{name}={value}" for name, value in event["details"].items())
        table.add_row(event["created_at"], event["event_type"], event["provider"] or "", details)
    console.print(table)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(send)
    app.command()(status)
