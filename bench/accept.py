"""Accepting: the reference and ours in turn, round by round, under the same load; medians and ratios."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gateways
import queues
import tools

from smsgw.bench.processes import Child

Say = Callable[[str], None]
FIELDS = ("rate", "p50", "p99", "cpu")


def run(ground: dict[str, str], directory: Path, *, rounds: int, seconds: float, say: Say) -> dict[str, float]:
    """Measure at 32 and 128 connections; return the ratios and the gateway's memory."""
    settings = gateways.environ(ground, "http://127.0.0.1:9")
    other_queue = f"{ground['RABBITMQ_QUEUE_OUTBOUND']}.reference"
    say("== accept: one gateway process, an Idempotency-Key each, no worker running ==")
    say(f"{rounds} rounds x {seconds:g} s, in turn; wrk -t1; LOG_LEVEL and everything else as by default")
    with (
        gateways.reference(other_queue, directory) as (port, child),
        gateways.role("gateway", settings, directory) as ours,
    ):
        sides = {
            "reference": Side(child, port, other_queue),
            "smsgw": Side(ours.child, ours.port, ground["RABBITMQ_QUEUE_OUTBOUND"]),
        }
        for name, side in sides.items():
            tools.wrk(side.port, connections=32, seconds=2, tag=f"warm-{name}-{time.time_ns()}")
            queues.take_all(gateways.SERVICES["QUEUE_URL"], side.queue)
        found: dict[str, float] = {}
        for connections in (32, 128):
            found |= _compare(sides, connections, rounds=rounds, seconds=seconds, say=say)
        found["gateway_mb"] = ours.child.usage().resident_bytes / 2**20
        say(f"gateway memory after this load: {found['gateway_mb']:.0f} MB")
    queues.delete(gateways.SERVICES["QUEUE_URL"], other_queue)
    gateways.forget_reference_keys()
    return found


class Side:
    """One of the two gateways."""

    def __init__(self, child: Child, port: int, queue: str) -> None:
        self.child = child
        self.port = port
        self.queue = queue


def _compare(sides: dict[str, Side], connections: int, *, rounds: int, seconds: float, say: Say) -> dict[str, float]:
    say("")
    say(f"-- {connections} connections --")
    say(
        f"{'gateway':<10}{'round':>6}{'accepted/s':>12}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'CPU ms/req':>12}"
        f"{'CPU share':>10}{'accepted':>10}{'queued':>9}{'per publish':>12}   CPU s of others"
    )
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            rows[name].append(_round(name, side, number, connections=connections, seconds=seconds, say=say))
    medians = {name: {field: statistics.median(row[field] for row in rows[name]) for field in FIELDS} for name in rows}
    for name, median in medians.items():
        say(
            f"{name:<10}{'median':>6}{median['rate']:>12,.0f}{median['p50']:>8.2f}{median['p99']:>8.2f}{'':>8}"
            f"{median['cpu']:>12.4f}"
        )
    ours, theirs = medians["smsgw"], medians["reference"]
    ratios = {field: ours[field] / theirs[field] for field in FIELDS}
    say(
        f"smsgw / reference: accepted/s {ratios['rate']:.2f}, p50 {ratios['p50']:.2f}, p99 {ratios['p99']:.2f}, "
        f"CPU per request {ratios['cpu']:.2f}"
    )
    return {f"{field}_{connections}": value for field, value in ratios.items()}


def _round(name: str, side: Side, number: int, *, connections: int, seconds: float, say: Say) -> dict[str, float]:
    services = tools.Services()
    before = side.child.usage()
    tag = f"{name}-{connections}-{number}-{time.time_ns()}"
    saw = tools.wrk(side.port, connections=connections, seconds=seconds, tag=tag)
    cpu = tools.used(before, side.child.usage())
    others = services.cpu()
    broker_messages, queued = queues.take_all(gateways.SERVICES["QUEUE_URL"], side.queue)
    # wrk leaves without waiting for its last requests: up to one per connection more is in the queue.
    is_right = 0 <= queued - saw["accepted"] <= connections and not saw["other"] and not saw["errors"]
    row = _row(saw, cpu)
    others_text = " ".join(f"{each} {value:.1f}" for each, value in others.items() if each != "postgresql")
    say(
        f"{name:<10}{number:>6}{row['rate']:>12,.0f}{row['p50']:>8.2f}{row['p99']:>8.2f}{saw['max']:>8.1f}"
        f"{row['cpu']:>12.4f}{cpu / saw['us'] * 1e6:>10.2f}{saw['accepted']:>10,}{queued:>9,}"
        f"{queued / max(broker_messages, 1):>12.1f}   wrk {saw['cpu']:.1f} {others_text}"
        + ("" if is_right else f"   WRONG: other {saw['other']}, errors {saw['errors']}")
    )
    return row


def _row(saw: dict[str, Any], cpu: float) -> dict[str, float]:
    return {
        "rate": saw["accepted"] / saw["us"] * 1e6,
        "p50": saw["p50"],
        "p99": saw["p99"],
        "cpu": cpu / max(saw["accepted"], 1) * 1000,
    }
