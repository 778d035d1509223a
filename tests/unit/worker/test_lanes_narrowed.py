"""A lane holds what the same providers will do for: who waits for one of them holds up nobody that another may take."""

from datetime import timedelta

from smsgw.core.failure import Outcome
from smsgw.core.health import Rules
from smsgw.core.lifecycle import Timers
from smsgw.core.message import Message, Status
from tests.unit.worker.rig import ACCEPTED, UNKNOWN, Rig, ScriptedProvider, envelope

SETTLE = timedelta(seconds=5)
GERMAN, FRENCH = "+4915112345678", "+33612345678"


async def resent_to_a_provider_at_its_limit(narrow: ScriptedProvider, wide: ScriptedProvider) -> tuple[Rig, Message]:
    """Let one message wait for a provider that may have sent it already, and has no token left."""
    rig = Rig(
        narrow,
        wide,
        timers=Timers(unknown_settle=SETTLE, report_deadline=timedelta(days=1)),
        configs={"A": {"rate_limit": 0.01}, "B": {"rate_limit": 4}},
    )
    unknown = envelope()
    rig.put(unknown)
    await rig.take_in()
    await rig.sweep(seconds=SETTLE.total_seconds() + 1)
    return rig, rig.message(unknown.tracking_id)


async def test_a_message_that_may_have_been_sent_waits_for_its_provider_alone() -> None:
    narrow, wide = ScriptedProvider("A", UNKNOWN), ScriptedProvider("B")

    _, message = await resent_to_a_provider_at_its_limit(narrow, wide)

    assert (Status.QUEUED, "A") == (message.status, message.lane)
    assert message.duplicate_risk


async def test_it_holds_up_nobody_that_another_provider_has_tokens_for() -> None:
    narrow, wide = ScriptedProvider("A", UNKNOWN), ScriptedProvider("B")
    rig, _ = await resent_to_a_provider_at_its_limit(narrow, wide)
    rig.put(*[envelope() for _ in range(2)])

    await rig.take_in()

    assert (1, 2) == (len(narrow.submits), len(wide.submits))


async def test_when_its_providers_circuit_opens_it_goes_through_another_one() -> None:
    narrow, wide = ScriptedProvider("A", UNKNOWN), ScriptedProvider("B")
    rig, message = await resent_to_a_provider_at_its_limit(narrow, wide)
    rig.choosing.health.note("A", "IR", Outcome.CREDENTIALS, is_probe=False)
    await rig.choosing.health.run_once()

    for _ in range(2):
        await rig.serve_lanes(seconds=1)

    assert [message.tracking_id] == [submit.reference for submit in wide.submits]


async def test_a_country_that_a_provider_fails_for_holds_up_no_other_country() -> None:
    narrow, wide = ScriptedProvider("A"), ScriptedProvider("B", *[ACCEPTED] * 8, *[UNKNOWN] * 4)
    rig = Rig(
        narrow,
        wide,
        capacity=50,
        rules=Rules(min_sample=4),
        configs={"A": {"rate_limit": 0.01}, "B": {"rate_limit": 100}},
    )
    for to, count in ((FRENCH, 8), (GERMAN, 4)):
        rig.put(*[envelope("B", to=to) for _ in range(count)])
        await rig.take_in()
    await rig.choosing.health.run_once()
    wide.submits.clear()
    german, french = [envelope(to=GERMAN) for _ in range(3)], envelope(to=FRENCH)

    rig.put(*german, french)
    await rig.take_in()

    assert ["*@DE"] * 2 == [rig.message(each.tracking_id).lane for each in german[1:]]
    assert [french.tracking_id] == [submit.reference for submit in wide.submits]
