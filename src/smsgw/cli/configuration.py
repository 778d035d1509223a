"""`smsgw config check | export | fingerprint`: what a deployment needs to know about its settings."""

from pathlib import Path
from typing import Annotated

import typer

from smsgw.cli.failing import one_line

app = typer.Typer(help="Check, export and fingerprint the configuration.", no_args_is_help=True)


@app.command()
def check(
    role: Annotated[str, typer.Argument(help="gateway, worker or both.")] = "both",
) -> None:
    """Check the settings of the environment and `.env` as a start would, without starting anything.

    Exit code 0 when they are fine, 2 with one line that names the variable. Example: smsgw config check worker
    """
    from smsgw.settings import SettingsError, environment
    from smsgw.wiring.configuration import check_configuration

    with one_line():
        if role not in ("gateway", "worker", "both"):
            raise SettingsError(f"role {role!r} does not exist; one of gateway, worker, both")
        for line in check_configuration(environment(), role):
            typer.echo(line)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="Where clients.json and providers.json are written.")],
) -> None:
    """Write CLIENT_CONFIG and PROVIDERS_CONFIG as files to deploy, and print their fingerprints.

    Where DATABASE_URL is set, the changes made in the console are in them, and are listed: so a gateway learns of them
    that is not given the database.

    Example: smsgw config export ./deploy && CLIENT_CONFIG_FILE=deploy/clients.json smsgw gateway
    """
    from smsgw.settings import environment
    from smsgw.wiring.configuration import export_configuration

    with one_line():
        for line in export_configuration(environment(), directory):
            typer.echo(line)


@app.command()
def fingerprint() -> None:
    """Print the fingerprints of CLIENT_CONFIG and PROVIDERS_CONFIG, for EXPECTED_*_FINGERPRINT at the worker; where
    DATABASE_URL is set, with the changes made in the console.

    Example: smsgw config fingerprint
    """
    from smsgw.settings import environment
    from smsgw.wiring.configuration import fingerprints

    with one_line():
        for line in fingerprints(environment()):
            typer.echo(line)
