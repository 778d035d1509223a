"""Spoiled documents: valid ones, mutated in their structure and in their bytes, and plain noise."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MOST = 4096
"""Bytes of a spoiled field of a form."""
IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
Test = Callable[..., Any]

HOSTILE = (
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1.5",
    b"1e400",
    b"-1e-400",
    b"NaN",
    b"-Infinity",
    b"9" * 400,
    b"9" * 5000,
    b"-9223372036854775809",
    b"18446744073709551616",
    b'""',
    b'" "',
    b'"\\u0000"',
    b'"a\\u0000b"',
    b'"a\x00b"',
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\\u202e\\u2066"',
    b'"\\r\\nX-Injected: 1"',
    b'"\'; DROP TABLE messages;--"',
    b'"{0} %s ${jndi:x}"',
    b'"' + b"A" * 300 + b'"',
    b'"' + b"A" * 70_000 + b'"',
    b'"9999-12-31T23:59:59.999999-14:00"',
    b'"0001-01-01T00:00:00+14:00"',
    b'"2026-13-45T99:99:99Z"',
    b"[]",
    b"{}",
    b"[" * 65 + b"]" * 65,
    b"[" * 3000,
    b'{"a":' * 200 + b"1" + b"}" * 200,
    b"[" + b"0," * 2000 + b"0]",
    b'{"a": 1, "a": 2}',
    b"",
)
"""JSON values, and what is none, that parsers are known to stumble over."""
ENCODINGS = ("utf-8-sig", "utf-16", "utf-32", "utf-7")

_tokens = st.sampled_from(HOSTILE) | st.text(max_size=20).map(lambda text: json.dumps(text).encode())
Member = tuple[bytes, bytes]
Change = tuple[str, int, bytes]
"""What to do, where, and with which token."""


def looking(examples: int) -> Callable[[Test], Test]:
    """Return the settings of a fuzz test: so many examples in CI, 1000 times as many by HYPOTHESIS_PROFILE=long."""
    return settings(
        max_examples=examples * (1000 if IS_LONG else 1),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


def spoiled(documents: Sequence[Mapping[str, Any]]) -> st.SearchStrategy[bytes]:
    """Return documents that begin as one of these: members replaced, lost, doubled or strange, then bytes disturbed."""
    members = st.sampled_from([_members(each) for each in documents])
    # Mapped, not built: hypothesis writes down every call that it builds with, and warns of long ones.
    objects = st.tuples(members, st.lists(_changes(), max_size=4)).map(_changed)
    wrapped = objects | st.lists(objects, max_size=3).map(lambda each: b"[" + b",".join(each) + b"]")
    return st.one_of(wrapped, st.tuples(wrapped, st.lists(_disturbances(), max_size=3)).map(_disturbed), noise())


def spoiled_fields(documents: Sequence[Mapping[str, str]]) -> st.SearchStrategy[bytes]:
    """Return forms (or queries) that begin as one of these, well-formed ones: fields replaced, lost or strange."""
    fields = st.sampled_from([list(each.items()) for each in documents])
    return st.tuples(fields, st.lists(_changes(), max_size=4)).map(_form).filter(bool)


def noise() -> st.SearchStrategy[bytes]:
    """Return what is no document at all."""
    return st.binary(max_size=200) | st.sampled_from(HOSTILE) | st.text(max_size=50).map(_encode)


def _members(document: Mapping[str, Any]) -> list[Member]:
    return [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in document.items()]


def _changes() -> st.SearchStrategy[Change]:
    return st.tuples(
        st.sampled_from(["replace", "lose", "double", "rename", "add", "wrap"]), st.integers(0, 20), _tokens
    )


def _changed(drawn: tuple[list[Member], list[Change]]) -> bytes:
    members, changes = drawn
    changed = list(members)
    for kind, where, token in changes:
        if not changed:
            break
        at = where % len(changed)
        name, value = changed[at]
        if kind == "lose":
            del changed[at]
        elif kind in ("double", "add"):
            changed.insert(at, (name if kind == "double" else token, token))
        else:
            changed[at] = {"replace": (name, token), "rename": (token, value), "wrap": (name, b"[" + value + b"]")}[
                kind
            ]
    return b"{" + b",".join(name + b":" + value for name, value in changed) + b"}"


def _form(drawn: tuple[list[tuple[str, str]], list[Change]]) -> bytes:
    fields, changes = dict(drawn[0]), drawn[1]
    for kind, where, token in changes:
        word = token[:MOST].decode("utf-8", "replace").strip('"')
        # Strange names are left to what is not signed: every vendor has its own way with them when it signs.
        new = word if _NAME.fullmatch(word) else "a"
        name = [*fields, new][where % (len(fields) + 1)]
        if kind == "lose":
            fields.pop(name, None)
        elif kind == "rename":
            fields[new] = fields.pop(name, "")
        else:
            fields[name] = word
    return urlencode(fields).encode()


def _disturbances() -> st.SearchStrategy[Change]:
    return st.tuples(st.sampled_from(["cut", "insert", "flip", "recode"]), st.integers(0, 2000), st.binary(max_size=4))


def _disturbed(drawn: tuple[bytes, list[Change]]) -> bytes:
    body, disturbances = drawn
    for kind, where, noise_ in disturbances:
        at = where % (len(body) + 1)
        if kind == "cut":
            body = body[:at]
        elif kind == "insert":
            body = body[:at] + noise_ + body[at:]
        elif kind == "flip":
            body = body[:at] + bytes(byte ^ 0x20 for byte in body[at : at + 1]) + body[at + 1 :]
        else:
            body = body.decode("utf-8", "replace").encode(ENCODINGS[where % len(ENCODINGS)], "replace")
    return body


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")
