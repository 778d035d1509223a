"""The environment as every command sees it: the process's variables over those of `.env`."""

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from smsgw.settings.reading import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def environment(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> dict[str, str]:
    """Return the process environment over the values of `.env` in the current directory; raises SettingsError."""
    return {**_read(dotenv or Path(".env")), **(os.environ if environ is None else environ)}


def _read(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; a value in single quotes may span lines and is taken as it stands."""
    try:
        text = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env: cannot read it: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and not _NAME.fullmatch(binding.key)):
            line = binding.original.line
            raise SettingsError(f".env: line {line} is not NAME=value; put a value of several lines in single quotes")
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values
