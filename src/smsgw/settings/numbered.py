"""PROVIDER1_URL ... PROVIDER99_URL: providers by their addresses alone, as the PROVIDERS_CONFIG that they stand for."""

import json
import re
from collections.abc import Mapping
from typing import Any

from smsgw.core.address import problem_of_address
from smsgw.settings.reading import Reader, SettingsError

KIND = "phone_text"
MOST = 99
_NAME = re.compile(r"PROVIDER([0-9]+)_URL", re.ASCII)


def numbered_providers(read: Reader) -> str | None:
    """Return the raw PROVIDERS_CONFIG of all PROVIDERn_URL, in numeric order, or None when there are none.

    The same addresses make the same text everywhere, so that the fingerprints of gateway and worker agree.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for number, name in sorted((_number(name), name) for name in read.names_like(_NAME)):
        url = read.text(name, "")
        if problem := problem_of_address(url):
            raise SettingsError(f"{name}: {problem}")
        entries[f"provider{number}"] = {
            "is_active": True,
            "is_operational": True,
            "kind": KIND,
            "priority": number * 10,
            "options": {"url": url},
        }
    return json.dumps(entries) if entries else None


def _number(name: str) -> int:
    digits = name.removeprefix("PROVIDER").removesuffix("_URL")
    # A second spelling of one number would be a second provider of one name.
    if digits.startswith("0") or len(digits) > len(str(MOST)):
        raise SettingsError(f"{name[:40]}: the number must be 1 to {MOST}, without zeros before it")
    return int(digits)
