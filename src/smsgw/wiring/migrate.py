"""`smsgw migrate`: the schema of DATABASE_URL."""

from collections.abc import Callable

from smsgw.settings import SettingsError
from smsgw.transports.stores.database.migrate import MigrationError, migrate


def run_migrate(url: str, *, wait_seconds: float, say: Callable[[str], None]) -> None:
    """Bring the schema up to date and say what was done; raises SettingsError with one line when it cannot."""
    try:
        migrate(url, wait_seconds=wait_seconds, say=say)
    except MigrationError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from None
