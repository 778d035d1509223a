"""A simulated provider that cannot run leaves nothing open."""

import asyncio
import socket
from pathlib import Path

import pytest

from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings


async def test_a_port_that_is_taken_closes_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = SimulatorSettings(port=taken.getsockname()[1], journal=journal)

        with pytest.raises(OSError, match="in use"):
            await simulate(settings, stop=asyncio.Event())

    opened = [each.resolve() for each in Path("/proc/self/fd").iterdir()]
    assert journal.exists()
    assert journal.resolve() not in opened
