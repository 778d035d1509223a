"""`smsgw providers`, `providers show` and `providers try`: what can be sent through, and how a request looks."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smsgw.cli.failing import fail, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from smsgw.providers.redaction import ShownRequest
    from smsgw.wiring.providers import AdapterPage, Trial

app = typer.Typer()
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


@app.callback(invoke_without_command=True)
def listing(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the providers of PROVIDERS_CONFIG and the adapters that are installed; explain and try them.

    Example: PROVIDERS_CONFIG_FILE=providers.json smsgw providers
    """
    if context.invoked_subcommand is not None:
        return
    from smsgw.settings import SettingsError, environment
    from smsgw.wiring.providers import adapters, configured_providers

    found = adapters()
    if not as_json:
        console = _console()
        lines = [(each.kind, each.title, each.problem or ", ".join(each.abilities)) for each in found]
        _print_table(console, "Installed adapters", ("adapter", "vendor", "abilities"), lines)
    try:
        rows = configured_providers(environment())
    except SettingsError as error:
        raise fail(str(error), code=2) from None
    head = ("provider", "aliases", "adapter", "active", "operational", "priority", "note")
    if as_json:
        _print_json({"adapters": found, "providers": [dict(zip(head, row, strict=True)) for row in rows]})
    else:
        _print_table(console, "PROVIDERS_CONFIG", head, rows)


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="An adapter, e.g. twilio; `smsgw providers` lists them.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show an adapter: its options, what it can do, and what the vendor's codes mean here.

    Example: smsgw providers show twilio
    """
    from smsgw.wiring.providers import adapter_page

    with one_line():
        page = adapter_page(kind)
    if as_json:
        _print_json(page)
    else:
        _print_page(page)


@app.command(name="try")
def try_(
    name: Annotated[str, typer.Argument(help="A provider of PROVIDERS_CONFIG, or an alias of one.")],
    to: Annotated[str, typer.Option(help="E.164, e.g. +4915112345678.")],
    text: Annotated[str, typer.Option(help="1 to 1000 characters.")] = "A test message of smsgw",
    sender: Annotated[str | None, typer.Option(help="Whom it comes from; default: as configured.")] = None,
    *,
    show_request: Annotated[
        bool, typer.Option("--show-request", help="Print the request, without credentials; always when not sending.")
    ] = False,
    is_sent: Annotated[bool, typer.Option("--send", help="Really send the message: it reaches a phone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the request that a message would become at a provider, and send nothing; with --send, send it.

    Every credential is shown as ***. With --send the exit code is 0 only when the provider took the message. Example:
    smsgw providers try Twilio --to +4915112345678 --text "Your code is 1234" --show-request
    """
    from smsgw.settings import environment
    from smsgw.wiring.providers import try_provider

    if is_sent:
        typer.echo(f"Sending one real message to {to} through {name}. It may cost money.", err=True)
    with one_line():
        trial = try_provider(environment(), name, to=to, text=text, sender=sender, is_sent=is_sent)
    if as_json:
        _print_json(trial)
    else:
        _print_trial(trial, has_requests=show_request or not is_sent)
    if trial.result is not None and trial.result.outcome.value != "accepted":
        raise typer.Exit(1)


def _console() -> "Console":
    from rich.console import Console

    return Console()


def _print_json(document: Any) -> None:
    import msgspec

    typer.echo(json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=False))


def _print_table(console: "Console", title: str, head: tuple[str, ...], rows: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _print_page(page: "AdapterPage") -> None:
    console = _console()
    typer.echo(f"{page.title} ({page.kind}): {', '.join(page.abilities)}")
    if page.documentation:
        typer.echo(page.documentation)
    for number, step in enumerate(page.set_up, 1):
        typer.echo(f"{number}. {step}")
    for word, told in (("Reports", page.reports), ("Limits", page.limits)):
        if told:
            typer.echo(f"{word}: {told}")
    options = [
        (each.name, each.type, "required" if each.is_required else each.default, each.description)
        for each in page.options
    ]
    _print_table(console, "Options", ("option", "type", "default", "meaning"), options)
    for headline, rows in page.maps:
        _print_table(console, headline, ("theirs", "ours"), rows)
    for note in page.notes:
        typer.echo(f"- {note}")


def _print_trial(trial: "Trial", *, has_requests: bool) -> None:
    if has_requests:
        for request in trial.requests:
            _print_request(request)
        if not trial.requests:
            typer.echo(f"The kind {trial.kind} asks nothing over HTTP: there is no request to show.")
    if trial.result is None:
        typer.echo("Nothing was sent. With --send it is.")
        return
    result = trial.result
    told = {
        "outcome": result.outcome.value,
        "message id": result.provider_message_id,
        "part ids": ", ".join(result.part_ids),
        "segments": result.segments,
        "price": f"{result.price} {result.currency or ''}".strip() if result.price else None,
        "wait": f"{result.retry_after.total_seconds():g} s" if result.retry_after else None,
        "detail": result.detail,
    }
    for word, value in told.items():
        if value not in (None, ""):
            typer.echo(f"{word:<11} {value}")


def _print_request(request: "ShownRequest") -> None:
    typer.echo(f"{request.method} {request.url}")
    for name, value in request.headers:
        typer.echo(f"{name}: {value}")
    typer.echo(f"\n{request.body}\n" if request.body else "")
