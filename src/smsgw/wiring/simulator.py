"""`smsgw mock-provider`: simulated carriers as a process of their own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from smsgw.settings import SettingsError, one_line
from smsgw.simulator.carrier import SMPP
from smsgw.simulator.document import CarriersError, read_carriers
from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings
from smsgw.simulator.vendors.base import VendorError
from smsgw.simulator.vendors.registry import open_vendor
from smsgw.telemetry import open_telemetry
from smsgw.web.server import install_signals, run, tune_gc


def run_mock_provider(*, config: Path | None, credential: Sequence[str] = (), **options: Any) -> None:
    """Run simulated carriers until SIGTERM; the options are the fields of SimulatorSettings. Raises SettingsError."""
    settings = SimulatorSettings(**options, credentials=read_credentials(credential))
    if config is not None:
        settings = msgspec.structs.replace(settings, carriers=read_config(config, settings))
    _check(settings)
    run(_main(settings))


def read_config(path: Path, defaults: SimulatorSettings) -> dict[str, Any]:
    """Return the carriers of a file; raises SettingsError with one line that says where it is wrong."""
    try:
        return dict(read_carriers(path.read_bytes(), defaults))
    except OSError as error:
        raise SettingsError(f"--config {path}: cannot read: {error.strerror or error}") from None
    except CarriersError as error:
        raise SettingsError(f"--config {path}: {one_line(error)}") from None


def read_credentials(given: Sequence[str]) -> dict[str, str]:
    """Return `name=value` pairs as a dictionary; raises SettingsError without the value of what is no pair."""
    pairs = [pair.partition("=") for pair in given]
    if any(not name or not equals for name, equals, _ in pairs):
        raise SettingsError("--credential: name=value expected")
    return {name: value for name, _, value in pairs}


def _check(settings: SimulatorSettings) -> None:
    """Raise SettingsError for a carrier that plays nobody we know."""
    for name, carrier in settings.all_carriers().items():
        try:
            if carrier.impersonate not in ("", SMPP):
                open_vendor(carrier.impersonate, carrier.credentials)
        except VendorError as error:
            raise SettingsError(f"{name}: {one_line(error)}") from None


async def _main(settings: SimulatorSettings) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    telemetry = open_telemetry("mock-provider", "info")

    def listening(host: str, port: int) -> None:
        tune_gc()
        names = ", ".join(settings.all_carriers())
        webhook_url = settings.webhook_url or None
        is_smsc = any(carrier.impersonate == SMPP for carrier in settings.all_carriers().values())
        telemetry.log.info(
            "simulator.ready",
            url=f"http://{host}:{port}",
            smpp=f"{host}:{settings.smpp_port}" if is_smsc else None,
            providers=names,
            webhook_url=webhook_url,
        )

    try:
        await simulate(settings, stop=stop, on_listening=listening, observer=telemetry.observer)
    except OSError as error:
        raise SettingsError(f"{settings.host}:{settings.port}: cannot listen: {error.strerror or error}") from None
