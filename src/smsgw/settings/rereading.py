"""SIGHUP: reading a configuration file again while a role runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smsgw.core.events import ReloadFailed
from smsgw.core.ports import Observer
from smsgw.settings.configs import Document, read_document
from smsgw.settings.reading import SettingsError

Parsed = TypeVar("Parsed")


def reread(
    name: str, path: Path | None, parse: Callable[[Document], Parsed], *, observer: Observer
) -> tuple[Parsed, Document] | None:
    """Return what a file holds now; None when the setting is a variable, or when the file is bad, which is stated."""
    if path is None:
        return None
    try:
        document = read_document(name, path)
        return parse(document), document
    except SettingsError as error:
        observer(ReloadFailed(why=str(error)))
        return None
