"""What SMPP costs: `python bench/smpp.py`. The promise is 10,000 submit_sm per second of one core, the client's.

First the codecs: ours, smpplib's, smpp34's. Then our provider, whole, against our SMSC in a process of its own: rate
and CPU of the client's process per message, without receipts and with one for each. Needs the group `conformance`.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import smpp34
import smpplib.smpp
import tools
import uvloop

from smsgw.bench.processes import Child
from smsgw.core import smpp
from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Submit
from smsgw.providers.smpp.config import Config
from smsgw.providers.smpp.provider import SmppProvider

PROMISED = 10_000
SENDERS = 200
TEXT = "Your code is 481516. It is good for ten minutes. Do not tell it to anybody, not even to us."
RECEIPT = b"id:70BA8A69 sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:DELIVRD err:000 text:"


def main() -> None:
    """Measure and print; exit 1 when the promise is not kept."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--messages", type=int, default=30_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    print(f"load average {os.getloadavg()[0]:.2f}")
    _codecs()
    print(f"\n{'client against our SMSC':<38}{'messages/s':>12}{'CPU us/message':>16}{'per CPU s':>12}")
    plain = _whole("window 100, 1 bind", given, binds=1, reports=False)
    _whole("window 100, 4 binds", given, binds=4, reports=False)
    _whole("window 100, 1 bind, receipts", given, binds=1, reports=True)
    print(f"promised: {PROMISED:,} per CPU second: {plain:,.0f}")
    sys.exit(plain < PROMISED)


def _codecs() -> None:
    message = smpp.ShortMessage(
        source=smpp.Address(5, 0, b"Acme"),
        destination=smpp.Address(1, 1, b"15005550006"),
        registered=1,
        text=TEXT.encode(),
    )
    tlvs = ((smpp.TLV_RECEIPTED_MESSAGE_ID, b"70BA8A69\0"), (smpp.TLV_MESSAGE_STATE, b"\2"))
    receipt = msgspec.structs.replace(message, text=RECEIPT, esm_class=4, tlvs=tlvs)
    delivered = smpp.encode(smpp.DELIVER_SM, 1, body=smpp.encode_message(receipt))
    answer = smpp.encode(smpp.SUBMIT_SM_RESP, 1, body=b"70BA8A69\0")
    framer, client = smpp.Framer(), _Client()

    def theirs(octets: bytes) -> Any:
        return smpplib.smpp.parse_pdu(octets, client=client, allow_unknown_opt_params=True)

    ways: dict[str, Sequence[Callable[[], Any]]] = {
        "ours": (
            lambda: smpp.encode(smpp.SUBMIT_SM, 1, body=smpp.encode_message(message)),
            lambda: [smpp.decode_id(pdu.body) for pdu in framer.feed(answer)],
            lambda: [smpp.decode_message(pdu.body) for pdu in framer.feed(delivered)],
        ),
        "smpp34 (Rust; no resp, no bind)": (
            lambda: smpp34.SubmitSm(
                "Acme",
                "15005550006",
                TEXT.encode(),
                source_addr_ton=5,
                dest_addr_ton=1,
                dest_addr_npi=1,
                registered_delivery=1,
                sequence_number=1,
            ).encode(),
            lambda: smpp34.decode(answer),
            lambda: [tlv.value for tlv in smpp34.decode(delivered).tlvs],
        ),
        "smpplib (pure Python)": (
            lambda: smpplib.smpp.make_pdu(
                "submit_sm",
                client=client,
                source_addr_ton=5,
                source_addr="Acme",
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr="15005550006",
                short_message=TEXT.encode(),
                registered_delivery=1,
            ).generate(),
            lambda: theirs(answer),
            lambda: theirs(delivered),
        ),
    }
    print(f"\n{'codec, CPU us per PDU':<38}{'submit_sm':>12}{'submit_sm_resp':>16}{'deliver_sm':>12}")
    for name, (encode, read, receive) in ways.items():
        print(f"{name:<38}{_cost(encode):>12.2f}{_cost(read):>16.2f}{_cost(receive):>12.2f}")


class _Client:
    def next_sequence(self) -> int:
        return 1


def _cost(work: Callable[[], Any], times: int = 10_000) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def _whole(what: str, given: Any, *, binds: int, reports: bool) -> float:
    """Send through our SMSC, several rounds; print the medians and return the messages per CPU second."""
    port, smpp_port = tools.free_port(), tools.free_port()
    flags = [
        "--as",
        "smpp",
        "--port",
        str(port),
        "--smpp-port",
        str(smpp_port),
        "--latency",
        "0",
        "--report-delay",
        "0",
    ]
    command = ["-m", "smsgw", "mock-provider", *flags, *([] if reports else ["--no-report-rate", "1"])]
    with tempfile.TemporaryDirectory() as name, Child("smsc", command, dict(os.environ), Path(name)) as child:
        tools.until(lambda: tools.listens(smpp_port) or child.check(), "the SMSC")
        options = {"host": "127.0.0.1", "port": smpp_port, "system_id": "default", "password": "demo-key"}
        config = msgspec.convert({**options, "window": 100, "binds": binds}, Config)
        rounds = [uvloop.run(_round(config, given.messages, reports=reports)) for _ in range(given.rounds)]
    rate, cpu = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(f"{what:<38}{rate:>12,.0f}{cpu * 1e6:>16.1f}{1 / cpu:>12,.0f}")
    return 1 / cpu


async def _round(config: Config, messages: int, *, reports: bool) -> tuple[float, float]:
    provider = SmppProvider("P", config, timeout=timedelta(seconds=20))
    kept = 0

    async def keep(batch: Sequence[DeliveryReport]) -> bool:
        nonlocal kept
        kept += len(batch)
        return True

    run = asyncio.create_task(provider.run(keep, lambda _fact, /: None))
    # The first one waits for the bind.
    await provider.send(_submit())
    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_send(provider, messages // SENDERS) for _ in range(SENDERS)))
    while reports and kept < messages:
        await asyncio.sleep(0.01)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    return messages / seconds, cpu / messages


async def _send(provider: SmppProvider, count: int) -> None:
    for _ in range(count):
        result = await provider.send(_submit())
        if result.outcome is not Outcome.ACCEPTED:
            raise RuntimeError(f"{result}")


def _submit() -> Submit:
    return Submit(
        reference=uuid4(),
        to="+15005559999",
        text=TEXT,
        validity_seconds=600,
        asked_at=datetime.now(UTC),
        sender="Acme",
    )


if __name__ == "__main__":
    main()
