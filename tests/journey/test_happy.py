"""From POST to DELIVERED in each of the three provider modes, and who may read the story."""

from collections.abc import Iterator

import pytest

from tests.journey.calling import accepted, event_types, ledger, outcomes, reaches, send, story
from tests.journey.process import Process, http
from tests.journey.product import KEY, NUMBER, OTHER_KEY, TEXT, Product, indiscreet, running


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("happy"), services) as product:
        product.add_provider("Provider-A", priority=10, aliases=["alpha", "Carrier.A"])
        product.add_provider("Provider-B", priority=20)
        product.configure("Local-SMS", priority=1000)
        yield product.start()


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway")


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


@pytest.mark.parametrize(
    ("providers", "chosen"),
    [
        pytest.param(["Provider-B"], "Provider-B", id="exclusive"),
        pytest.param(["Provider-B", "Provider-A"], "Provider-B", id="failover"),
        pytest.param(None, "Provider-A", id="smart"),
    ],
)
def test_every_mode_ends_delivered(product: Product, providers: list[str] | None, chosen: str) -> None:
    body = {"providers": providers} if providers else {}

    tracking_id = accepted(product.named("gateway"), **body)
    told = reaches(product.named("worker"), tracking_id, "DELIVERED")

    assert (told["provider_final"], told["reason"]) == (chosen, None)
    assert outcomes(told) == [(chosen, "accepted")]
    assert event_types(told) == ["PROCESSING", "SENT", "REPORT", "DELIVERED"]
    (entry,) = ledger(product.named(f"provider-{chosen}"), tracking_id)
    assert told["attempts"][0]["provider_message_id"] == entry["message_id"]


@pytest.mark.parametrize("alias", ["alpha", "ALPHA", "carrier.a", "provider-a"])
def test_an_alias_leads_to_its_provider_in_any_case(gateway: Process, worker: Process, alias: str) -> None:
    tracking_id = accepted(gateway, providers=[alias])

    told = reaches(worker, tracking_id, "DELIVERED")

    assert told["provider_final"] == "Provider-A"


def test_a_provider_without_reports_ends_sent(gateway: Process, worker: Process) -> None:
    tracking_id = accepted(gateway, providers=["local-sms"])

    told = reaches(worker, tracking_id, "SENT")

    assert outcomes(told) == [("Local-SMS", "accepted")]


def test_a_story_is_for_the_client_that_sent_it(gateway: Process, worker: Process) -> None:
    tracking_id = accepted(gateway, key=KEY)
    reaches(worker, tracking_id, "DELIVERED")

    of_another = story(worker, tracking_id, key=OTHER_KEY)
    without_a_key = http.get(f"{worker.url}/api/status/{tracking_id}")

    assert of_another is None
    assert without_a_key.status_code == 401


def test_a_retry_with_the_same_key_is_the_same_message(product: Product, gateway: Process, worker: Process) -> None:
    first = send(gateway, idempotency_key="happy-1")
    again = send(gateway, idempotency_key="happy-1")
    other = send(gateway, idempotency_key="happy-1", ttl_seconds=60)
    told = reaches(worker, first.json()["tracking_id"], "DELIVERED")

    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["error_code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(ledger(product.named("provider-Provider-A"), told["tracking_id"])) == 1


def test_nothing_is_given_away_by_metrics_and_errors(gateway: Process, worker: Process) -> None:
    unknown = send(gateway, providers=["nobody"])
    unreadable = send(gateway, to=f"{NUMBER} ", text=[TEXT])

    pages = [http.get(process.url + "/metrics").text for process in (gateway, worker)]

    assert (unknown.status_code, unreadable.status_code) == (422, 422)
    assert [indiscreet(page) for page in [*pages, unknown.text, unreadable.text]] == [None] * 4


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/schema", "/docs"])
def test_what_is_open_to_everybody(gateway: Process, worker: Process, path: str) -> None:
    answers = [http.get(process.url + path, follow_redirects=True).status_code for process in (gateway, worker)]

    assert answers == [200, 200]
