"""`smsgw mock-provider`: a simulated provider as a process of its own."""

import asyncio
from typing import Any

from smsgw.settings import SettingsError
from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings
from smsgw.telemetry import open_telemetry
from smsgw.web.server import install_signals, run


def run_mock_provider(**options: Any) -> None:
    """Run a simulated provider until SIGTERM; the options are the fields of SimulatorSettings."""
    run(_main(SimulatorSettings(**options)))


async def _main(settings: SimulatorSettings) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    telemetry = open_telemetry("mock-provider", "info")

    def listening(host: str, port: int) -> None:
        telemetry.log.info("simulator.ready", url=f"http://{host}:{port}", webhook_url=settings.webhook_url or None)

    try:
        await simulate(settings, stop=stop, on_listening=listening, observer=telemetry.observer)
    except OSError as error:
        raise SettingsError(f"{settings.host}:{settings.port}: cannot listen: {error.strerror or error}") from None
