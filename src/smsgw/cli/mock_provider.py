"""`smsgw mock-provider`: carriers to practise with."""

from pathlib import Path
from typing import Annotated

import typer

from smsgw.cli.failing import starting


def mock_provider(
    config: Annotated[Path | None, typer.Option(help="JSON file: provider name -> settings. Many providers.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9100,
    api_key: Annotated[str, typer.Option(help="The Bearer key that callers must present.")] = "demo-key",
    webhook_url: Annotated[str, typer.Option(help="Where delivery reports go; empty for none.")] = "",
    webhook_secret: Annotated[str, typer.Option(help="Signs the reports; default: the API key.")] = "",
    impersonate: Annotated[
        str, typer.Option("--as", help="Play a vendor, as in --as twilio: its API, its signed reports. Or smpp.")
    ] = "",
    smpp_port: Annotated[int, typer.Option(help="Port of --as smpp.", min=0, max=65535)] = 2775,
    credential: Annotated[
        list[str] | None, typer.Option(help="A credential of the vendor played, name=value. Repeatable.")
    ] = None,
    latency: Annotated[float, typer.Option(help="Mean seconds before an answer.", min=0, max=3600)] = 0.05,
    jitter: Annotated[float, typer.Option(help="Spread of the latency, 0 to 1.", min=0, max=1)] = 0.2,
    error_rate: Annotated[float, typer.Option(help="Share answered 500.", min=0, max=1)] = 0,
    throttle_rate: Annotated[float, typer.Option(help="Share answered 429.", min=0, max=1)] = 0,
    reject_rate: Annotated[float, typer.Option(help="Share refused (REJECTED).", min=0, max=1)] = 0,
    hang_rate: Annotated[float, typer.Option(help="Share accepted and never answered.", min=0, max=1)] = 0,
    garbage_rate: Annotated[float, typer.Option(help="Share accepted and answered garbage.", min=0, max=1)] = 0,
    rate_limit: Annotated[float, typer.Option(help="Messages per second, then 429; 0 for none.", min=0)] = 0,
    report_delay: Annotated[float, typer.Option(help="Seconds until a report.", min=0, max=3600)] = 1,
    no_report_rate: Annotated[float, typer.Option(help="Share without a report.", min=0, max=1)] = 0,
    duplicate_report_rate: Annotated[float, typer.Option(help="Share reported twice.", min=0, max=1)] = 0,
    look_up: Annotated[bool, typer.Option(help="Answer look-ups by reference.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the dice.")] = 1,
    journal: Annotated[Path | None, typer.Option(help="File that keeps what was accepted over a restart.")] = None,
) -> None:
    """Run providers to practise with: they take messages, misbehave as told, and send signed delivery reports.

    With --as they speak a vendor's API instead, well enough for its own client library, and sign reports as it does.
    Each answers POST /{name}/messages (kind provider_a) and POST /api/sms/{name} (kind phone_text). Without --config
    there are provider1 to provider5 and one at POST /messages, all with these options; with it the options are the
    defaults of the file's providers. Numbers with magic endings misbehave; GET /ledger tells what was accepted,
    POST /control/{name} changes a provider while it runs; see docs/reference/simulator.md. Examples:

    smsgw mock-provider --port 9100 --webhook-url http://127.0.0.1:9000/webhooks/delivery-report/Provider-A

    smsgw mock-provider --config carriers.json

    smsgw mock-provider --as twilio --credential auth_token=secrettoken
    """
    options = dict(locals())

    from smsgw.wiring.simulator import run_mock_provider

    options["credential"] = credential or ()
    with starting("mock-provider"):
        run_mock_provider(**options)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(mock_provider)
