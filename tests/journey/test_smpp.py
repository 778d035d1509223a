"""SMPP as processes: receipts of parts, a worker that dies over a receipt, an SMSC that goes and comes."""

import asyncio
import json
import secrets
import signal
import threading
from collections.abc import Iterator

import pytest

from smsgw.core import smpp
from tests.journey.calling import accepted, event_types, reaches, story
from tests.journey.process import Process, until
from tests.journey.product import Product, running
from tests.journey.vendor import Vendor, vendors
from tests.providers.raw_server import Visit
from tests.providers.smpp.rig import Peer, receipt
from tests.servers import free_port

LONG = "Parcel 4711 waits. " * 20
"""Three parts."""


class Carrier:
    """An SMSC that takes everything and delivers the receipts that the test lets it deliver."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._word = f"x{secrets.token_hex(4)}"
        self.answered: list[str] = []
        self._owed: list[str] = []
        self._lock = threading.Lock()

    def owe(self, *message_ids: str) -> None:
        """Deliver their receipts from now on, until each is answered with 0."""
        with self._lock:
            self._owed.extend(message_ids)

    async def __call__(self, visit: Visit) -> None:
        """Serve one connection."""
        peer = Peer(visit)
        await peer.bind()
        sent: dict[int, str] = {}
        delivering = asyncio.create_task(self._deliver(peer, sent))
        try:
            while True:
                await self._take(peer, await peer.read(), sent)
        finally:
            delivering.cancel()

    async def _take(self, peer: Peer, pdu: smpp.Pdu, sent: dict[int, str]) -> None:
        if pdu.command == smpp.DELIVER_SM_RESP:
            if pdu.status == smpp.ROK:
                self._settle(sent[pdu.sequence])
        elif pdu.command == smpp.SUBMIT_SM:
            self.taken.append(f"{self._word}-{len(self.taken) + 1}")
            await peer.answer(pdu, self.taken[-1].encode() + b"\0")
        elif not pdu.command & smpp.RESPONSE:
            await peer.answer(pdu)

    async def _deliver(self, peer: Peer, sent: dict[int, str]) -> None:
        while True:
            with self._lock:
                new = [each for each in self._owed if each not in sent.values()]
            for message_id in new:
                sequence = len(sent) + 1
                sent[sequence] = message_id
                await peer.write(smpp.encode(smpp.DELIVER_SM, sequence, body=receipt(message_id)))
            await asyncio.sleep(0.02)

    def _settle(self, message_id: str) -> None:
        with self._lock:
            self._owed.remove(message_id)
            self.answered.append(message_id)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with vendors() as vendor:
        yield vendor


def prepared(product: Product, port: int) -> Product:
    """Return the product with one provider, whose SMSC is at this port."""
    options = {"host": "127.0.0.1", "port": port, "system_id": "shop", "password": "key-smpp"}
    product.configure("Carrier", kind="smpp", options={**options, "reconnect_seconds": 0.1})
    return product


@pytest.fixture
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("smpp"), services) as product:
        yield product


@pytest.mark.fault("F51", "I8")
def test_a_long_message_is_delivered_when_all_its_parts_are(product: Product, vendor: Vendor) -> None:
    carrier = Carrier()
    prepared(product, vendor.serve(carrier)).start()
    worker = product.named("worker")

    tracking_id = accepted(product.named("gateway"), text=LONG)
    told = reaches(worker, tracking_id, "SENT")
    first, second, third = carrier.taken
    assert told["attempts"][0]["provider_message_id"] == first
    carrier.owe(first, third)
    until(lambda: len(carrier.answered) == 2, seconds=20, what="two receipts answered")
    until(
        lambda: event_types(story(worker, tracking_id) or {"events": []}).count("REPORT") == 2, seconds=20, what="both"
    )
    assert (story(worker, tracking_id) or {})["status"] == "SENT"

    carrier.owe(second)

    told = reaches(worker, tracking_id, "DELIVERED")
    assert sorted(carrier.answered) == [first, second, third]
    assert event_types(told).count("DELIVERED") == 1


def test_a_receipt_that_kills_the_worker_before_its_commit_comes_again(product: Product, vendor: Vendor) -> None:
    carrier = Carrier()
    prepared(product, vendor.serve(carrier))
    product.start(workers=0)
    doomed = product.worker(SMSGW_FAILPOINT="D1=kill")
    doomed.wait_ready()

    tracking_id = accepted(product.named("gateway"))
    reaches(doomed, tracking_id, "SENT")
    carrier.owe(*carrier.taken)
    until(lambda: doomed.popen.poll() is not None, seconds=20, what="the end of the worker")
    assert carrier.answered == []
    worker = product.worker()
    worker.wait_ready()

    reaches(worker, tracking_id, "DELIVERED")
    until(lambda: carrier.answered == carrier.taken, seconds=20, what="the answer")
    assert len(carrier.taken) == 1


def test_messages_wait_for_an_smsc_that_is_away_and_go_when_it_comes(product: Product) -> None:
    smpp_port = free_port()
    prepared(product, smpp_port).start()
    worker = product.named("worker")
    tracking_id = accepted(product.named("gateway"))
    until(
        lambda: "RETRY_SCHEDULED" in event_types(story(worker, tracking_id) or {"events": []}),
        seconds=20,
        what="a round without a bind",
    )
    assert worker.metric('smsgw_provider_binds{provider="Carrier"}') == 0

    play(product, smpp_port)

    reaches(worker, tracking_id, "DELIVERED")
    assert worker.metric('smsgw_provider_binds{provider="Carrier"}') == 1


def test_a_reload_binds_anew_only_what_is_not_as_it_was(product: Product) -> None:
    smpp_port = free_port()
    prepared(product, smpp_port)
    play(product, smpp_port)
    path = product.directory / "providers.json"
    path.write_text(json.dumps(product.providers))
    product.gateway()
    worker = product.worker(PROVIDERS_CONFIG_FILE=str(path))
    product.start(gateways=0, workers=0)
    until(lambda: logged(worker, "provider.bound") == 1, seconds=20, what="a bind")

    worker.popen.send_signal(signal.SIGHUP)
    until(lambda: logged(worker, "config.loaded") == 2, seconds=20, what="the reload")
    reaches(worker, accepted(product.named("gateway")), "DELIVERED")
    assert logged(worker, "provider.bound") == 1

    product.providers["Carrier"]["options"]["window"] = 20
    path.write_text(json.dumps(product.providers))
    worker.popen.send_signal(signal.SIGHUP)
    until(lambda: logged(worker, "provider.bound") == 2, seconds=20, what="another bind")
    reaches(worker, accepted(product.named("gateway")), "DELIVERED")

    assert worker.stop() == 0
    assert logged(worker, "provider.unbound") == 2


def play(product: Product, smpp_port: int) -> None:
    """Start our SMSC with the product's account."""
    port, config = free_port(), product.directory / "carriers.json"
    config.write_text('{"shop": {"as": "smpp", "api_key": "key-smpp", "latency": 0, "report_delay": 0}}')
    arguments = ["mock-provider", "--port", str(port), "--smpp-port", str(smpp_port), "--config", str(config)]
    product._start("provider", arguments, {}, f"http://127.0.0.1:{port}").wait_ready()


def logged(process: Process, message: str) -> int:
    """Return how often a process said this."""
    return sum(message in line.values() for line in process.log_lines())
