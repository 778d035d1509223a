"""The simulator's page for Prometheus: counters per carrier. Labels are the configured names and closed sets."""

from collections.abc import Iterable, Iterator, Mapping

from smsgw.simulator.carrier import Carrier
from smsgw.simulator.reports import Reporter
from smsgw.simulator.tally import Result

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_page(carriers: Iterable[Carrier], reporter: Reporter) -> tuple[bytes, str]:
    """Return the page and its content type."""
    totals = {carrier.name: carrier.tally.total() for carrier in carriers}
    lines = [
        *_family("requests", "Requests to send, by how they ended."),
        *(
            f'smsgw_simulator_requests_total{{provider="{name}",result="{result}"}} {count}'
            for name, counts in totals.items()
            for result, count in counts.items()
        ),
        *_family("accepted", "Messages taken."),
        *_per_provider("accepted", {name: counts[Result.ACCEPTED] for name, counts in totals.items()}),
        *_family("reports_sent", "Delivery reports that the webhook took."),
        *_per_provider("reports_sent", {name: reporter.sent[name] for name in totals}),
        *_family("reports_dropped", "Delivery reports that the webhook did not take, or that were too many."),
        *_per_provider("reports_dropped", {name: reporter.dropped[name] for name in totals}),
    ]
    return "".join(f"{line}\n" for line in lines).encode(), CONTENT_TYPE


def _family(name: str, what: str) -> Iterator[str]:
    yield f"# HELP smsgw_simulator_{name}_total {what}"
    yield f"# TYPE smsgw_simulator_{name}_total counter"


def _per_provider(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    for provider, count in counts.items():
        yield f'smsgw_simulator_{name}_total{{provider="{provider}"}} {count}'
