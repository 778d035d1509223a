"""The Lua scripts: what must not be torn apart by a crash is one of them."""

import hashlib
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """One script, and the name that Redis knows it by once it has seen it."""

    text: bytes
    digest: str


def _script(name: str) -> Script:
    text = (files(__package__) / f"{name}.lua").read_bytes()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


ACK = _script("ack")
DEPTH = _script("depth")
GIVE_BACK = _script("give_back")
REPLAY = _script("replay")
ROUND = _script("round")
