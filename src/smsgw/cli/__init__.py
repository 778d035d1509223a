"""The command line. Each command loads its settings and calls one function of wiring; what it needs is imported inside
the command, so that `smsgw --help` costs nothing but typer."""

import typer

from smsgw.cli import (
    audit,
    bench,
    client,
    configuration,
    dead,
    erase,
    key,
    mock_provider,
    providers,
    roles,
    simulate,
    user,
)

app = typer.Typer(
    name="smsgw",
    help="An SMS gateway: one HTTP endpoint in, every message delivered through whichever provider works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
roles.register(app)
mock_provider.register(app)
client.register(app)
app.add_typer(providers.app, name="providers")
app.add_typer(configuration.app, name="config")
app.add_typer(user.app, name="user")
app.add_typer(key.app, name="key")
app.add_typer(dead.app, name="dead")
audit.register(app)
erase.register(app)
bench.register(app)
simulate.register(app)


def main() -> None:
    """Run the command line."""
    app()
