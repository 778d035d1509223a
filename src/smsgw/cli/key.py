"""`smsgw key`: clients and their API keys."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from smsgw.cli.failing import one_line

app = typer.Typer(
    help="API keys of clients, in the database of DATABASE_URL, over CLIENT_CONFIG: set both as for the worker.",
    no_args_is_help=True,
)
Client = Annotated[str, typer.Argument(help="The client's public id.")]


@app.command()
def create(
    client: Client,
    name: Annotated[str | None, typer.Option(help="Of a new client; else its id.")] = None,
    quota: Annotated[int | None, typer.Option(help="Of a new client: messages per UTC day.", min=0)] = None,
    scopes: Annotated[str | None, typer.Option(help="Of a new client: send, ops or send,ops.")] = None,
) -> None:
    """Make an API key and print it, this once: one more for a known client, the first of a new one.

    It opens within 5 seconds where the database is read; other gateways need `smsgw config export`. Example: smsgw key
    create shop --name "The shop" --quota 1000
    """
    from smsgw.settings import environment
    from smsgw.wiring.keys import create_key

    given: dict[str, Any] = {
        "name": name,
        "daily_quota": quota,
        "scopes": None if scopes is None else [each.strip() for each in scopes.split(",")],
    }
    with one_line():
        key = create_key(environment(), client, {name: each for name, each in given.items() if each is not None})
    typer.echo(key.text)


@app.command("list")
def list_() -> None:
    """List the keys: client, hint, whether configured or made here, and until when it opens.

    Example: smsgw key list
    """
    from smsgw.settings import environment
    from smsgw.wiring.keys import list_keys

    with one_line():
        book = list_keys(environment())
    for client in book.clients.values():
        for key in client.keys:
            origin = "console" if key.configured is None else "configuration"
            until = key.expires_at.isoformat(timespec="seconds") if key.expires_at else "no end"
            typer.echo(f"{client.id}  {key.hint}  {origin}  {'revoked' if key.is_revoked else until}")
    for each in book.ignored:
        typer.echo(f"without effect: {each.kind.value} {each.name[:64]}: {each.why}", err=True)


@app.command()
def rotate(
    client: Client,
    overlap: Annotated[float, typer.Option(help="Hours that the keys before it still open.", min=0, max=2160)] = 24,
) -> None:
    """Make a new API key and print it, this once; the client's other keys open for some hours more.

    Example: smsgw key rotate shop --overlap 48
    """
    from smsgw.settings import environment
    from smsgw.wiring.keys import rotate_key

    with one_line():
        key = rotate_key(environment(), client, timedelta(hours=overlap))
    typer.echo(key.text)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its hint, or the first 8 or more digits of its SHA-256.")],
) -> None:
    """Let nobody in with a key any more.

    Example: smsgw key revoke smsgw_4fJ2kd
    """
    from smsgw.settings import environment
    from smsgw.wiring.keys import revoke as revoke_key

    with one_line():
        revoked = revoke_key(environment(), key)
    typer.echo(f"{revoked.hint} of {revoked.client} is revoked")
