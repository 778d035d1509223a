"""`smsgw user`: who may use the console."""

from typing import Annotated

import typer

from smsgw.cli.failing import one_line

app = typer.Typer(help="The console's users, in the database of DATABASE_URL.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="1 to 64 letters, digits or . _ @ -")]


@app.command()
def create(name: Name, role: Annotated[str, typer.Option(help="admin, operator or viewer.")]) -> None:
    """Create a user and print a link, good once and for 24 hours, by which the password is set.

    The link begins with CONSOLE_URL, else with http://127.0.0.1 and SERVER_B_PORT. Example: smsgw user create eva
    --role admin
    """
    from smsgw.settings import environment
    from smsgw.wiring.people import create_user

    with one_line():
        typer.echo(create_user(environment(), name, role))


@app.command("list")
def list_() -> None:
    """List the users: name, role, whether enabled, and when they signed in last.

    Example: smsgw user list
    """
    from smsgw.settings import environment
    from smsgw.wiring.people import list_users

    with one_line():
        users = list_users(environment())
    for user in users:
        state = "enabled" if user.is_active else "disabled"
        signed_in = user.signed_in_at.isoformat(timespec="seconds") if user.signed_in_at else "never signed in"
        typer.echo(f"{user.name}  {user.role.value}  {state}  {signed_in}")


@app.command()
def link(name: Name) -> None:
    """Print a new link, good once and for 24 hours, by which a user sets the password; earlier links are void.

    Example: smsgw user link eva
    """
    from smsgw.settings import environment
    from smsgw.wiring.people import link_user

    with one_line():
        typer.echo(link_user(environment(), name))


@app.command()
def disable(name: Name) -> None:
    """Let a user in no more, and end the user's sessions. The last active admin cannot be disabled.

    Example: smsgw user disable eva
    """
    _set_active(name, is_active=False)


@app.command()
def enable(name: Name) -> None:
    """Let a disabled user in again.

    Example: smsgw user enable eva
    """
    _set_active(name, is_active=True)


@app.command()
def role(name: Name, role: Annotated[str, typer.Argument(metavar="ROLE", help="admin, operator or viewer.")]) -> None:
    """Give a user another role, and end the user's sessions.

    Example: smsgw user role eva viewer
    """
    from smsgw.settings import environment
    from smsgw.wiring.people import change_role

    with one_line():
        change_role(environment(), name, role)
    typer.echo(f"{name} is {role}")


def _set_active(name: str, *, is_active: bool) -> None:
    from smsgw.settings import environment
    from smsgw.wiring.people import set_active

    with one_line():
        set_active(environment(), name, is_active=is_active)
    typer.echo(f"{name} is {'enabled' if is_active else 'disabled'}")
