"""Whom a provider is told that a text comes from."""

from typing import Any

import pytest

from tests.unit.worker.rig import Rig, ScriptedProvider, envelope

TOLD: dict[str, dict[str, Any]] = {"A": {"sender": "Shop", "senders": {"CA": "12345", "KZ": "Bank"}}}


@pytest.mark.parametrize(
    ("to", "asked", "sender"),
    [
        ("+14165550123", "Mine", "Mine"),
        ("+14165550123", None, "12345"),
        ("+77011234567", None, "Bank"),
        # Of the same calling codes, and of no country at all.
        ("+12025550123", None, "Shop"),
        ("+79161234567", None, "Shop"),
        ("+870773111632", None, "Shop"),
    ],
)
async def test_the_messages_own_then_the_countrys_then_the_providers(to: str, asked: str | None, sender: str) -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, configs=TOLD)
    rig.put(envelope("A", to=to, sender=asked))

    await rig.take_in()

    assert [submit.sender for submit in provider.submits] == [sender]


async def test_without_any_the_adapter_decides() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    rig.put(envelope("A"))

    await rig.take_in()

    assert [submit.sender for submit in provider.submits] == [None]
