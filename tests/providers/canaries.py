"""Canaries: the credentials of a table, and what they look like when somebody encodes them on their way."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from tests.providers.tables import Table

CREDENTIAL = re.compile(r"(^|_)(secret|token|password|api_key|private_key|signing_key|access_key)$")
"""Names of options that hold one."""
_LEAST = 6
_SHORTEST_SAID_BY_CHANCE = 8
"""Of base64; and what is this short may stand anywhere."""


def credentials(table: Table) -> list[str]:
    """Return the credentials of a table: those it names, and those whose option's name says it."""
    return sorted({*table.secrets, *_named(table.options)})


def disguises(secret: str) -> set[str]:
    """Return the forms in which a credential would still be one."""
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    forms |= {secret.encode().hex(), secret.encode().hex().upper(), repr(secret)[1:-1]}
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + secret.encode()).decode().rstrip("=")
        # Without the characters that what stands before and behind has a part in.
        core = encoded[2 * offset : -1]
        forms |= {core, core.translate(str.maketrans("+/", "-_"))} if len(core) >= _SHORTEST_SAID_BY_CHANCE else set()
    return {form for form in forms if len(form) >= _LEAST}


def found_in(said: str, table: Table) -> list[str]:
    """Return the canaries of a table that a text holds."""
    return [form for secret in credentials(table) for form in disguises(secret) if form in said]


def _named(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _named(value)
        elif isinstance(value, str) and CREDENTIAL.search(name) and not value.startswith("{"):
            yield value
