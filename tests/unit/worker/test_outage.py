"""The gate: what the loops wait behind while the store cannot be used."""

import asyncio

from smsgw.core.events import Crashed, DependencyBack, DependencyLost
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.outage import StoreGate


class _Rude(MemoryStore):
    """Raises what no outage is, a few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    async def problem(self) -> str | None:
        self.left -= 1
        if self.left >= 0:
            raise PermissionError("permission denied for table messages")
        return None


async def test_a_store_that_cannot_be_asked_keeps_the_gate_shut_and_does_not_break_it() -> None:
    facts: list[object] = []
    gate = StoreGate(_Rude(3), observer=facts.append, poll_seconds=0.01)

    await gate.wait_until_usable()
    await gate.wait_until_back("again")

    kinds = [type(fact) for fact in facts]
    assert kinds == [Crashed, DependencyLost, Crashed, Crashed, DependencyBack, DependencyLost, DependencyBack]


async def test_a_store_that_answers_is_not_fit_while_the_loops_wait_for_it() -> None:
    gate = StoreGate(MemoryStore(), observer=lambda _fact: None, poll_seconds=0.01)

    before = await gate.problem()
    waiting = asyncio.create_task(gate.wait_until_back("disk full"))
    await asyncio.sleep(0)
    meanwhile = await gate.problem()
    await waiting

    assert (before, await gate.problem()) == (None, None)
    assert meanwhile == "its last call failed; it is tried again"
