"""What callers were promised: one id and one body per key, a quota that holds, honest errors, discretion."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime

from tests.invariants.ledgers import Books, Call, Quota

Found = Iterator[tuple[str | None, str]]

DEADLINE_SECONDS = 5.0
MARGIN_SECONDS = 0.5
_RETRYABLE = (429, 503, 504)
_FINAL = (400, 401, 413, 415, 422, 429)
"""Refusals that say for certain that no message came of the request."""


def one_id_per_key(books: Books) -> Found:
    """I4: all successes of one client's key name one tracking_id and are the same bytes."""
    for (client_key, key), calls in _successes_by_key(books).items():
        ids = _distinct(calls, lambda call: call.tracking_id)
        if len(ids) > 1:
            yield str(ids[0]), f"key {key} of {client_key} has {len(ids)} tracking_ids: {ids}"
        elif len(_distinct(calls, lambda call: call.body)) > 1:
            yield str(ids[0]), f"key {key} of {client_key} was answered with different bytes"


def one_body_per_key(books: Books) -> Found:
    """I5: a key that has succeeded with one body never succeeds with another."""
    for (client_key, key), calls in _successes_by_key(books).items():
        bodies = _distinct(calls, lambda call: call.fingerprint)
        if len(bodies) > 1:
            yield calls[0].tracking_id, f"key {key} of {client_key} succeeded with {len(bodies)} different bodies"


def bounded_quota(books: Books) -> Found:
    """I6: no counter leaves 0 to its limit, none has counted less than what became of the client's requests, and what
    one counts beyond that is at most one unit for each request that was not told its fate."""
    for quota in books.quotas or ():
        if not 0 <= quota.used <= quota.limit:
            yield None, f"{quota.client_key} has used {quota.used} of {quota.limit} on {quota.day}"
    for client_key, counters in _quotas_by_client(books).items():
        used = sum(each.used for each in counters)
        counted = _taken(books, client_key)
        if counted > used:
            yield None, f"{client_key} has {counted} messages and a counter of {used}"
        if books.is_quiet and books.are_calls_complete and books.calls is not None:
            beyond, untold = used - counted, _untold(books, client_key)
            if beyond > untold:
                yield None, f"{client_key} counts {beyond} units too many; only {untold} requests were left untold"


def honest_errors(books: Books) -> Found:
    """I12: no 500; whoever shall try again is told why and when; nothing is answered after the deadline."""
    longest = (DEADLINE_SECONDS + MARGIN_SECONDS) * books.slack
    for call in books.calls or ():
        if call.status is None:
            continue
        code = call.answer.get("error_code")
        if call.status >= 500 and call.status not in _RETRYABLE:
            yield call.tracking_id, f"answered {call.status} {code}"
        if call.status >= 400 and not code:
            yield call.tracking_id, f"answered {call.status} without an error_code"
        if call.status in _RETRYABLE and not call.retry_after:
            yield call.tracking_id, f"answered {call.status} {code} without Retry-After"
        if (took := _seconds_of_ours(call, books)) > longest:
            yield call.tracking_id, f"answered {call.status} after {took:.1f} s"


def no_secrets(books: Books) -> Found:
    """I13: no full number, text or key is in what people read, nor in the body of an error."""
    errors = {f"error body {call.status}": call.body.decode("utf-8", "replace") for call in _refused(books)}
    for name, text in [*(books.texts or {}).items(), *errors.items()]:
        for secret in books.secrets:
            if secret in text:
                yield None, f"{name} gives away {secret[:4]}…"


def _refused(books: Books) -> list[Call]:
    return [call for call in books.calls or () if call.status is not None and not call.is_accepted]


def _successes_by_key(books: Books) -> dict[tuple[str, str], list[Call]]:
    grouped: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in books.calls or ():
        if call.idempotency_key is not None and call.is_accepted:
            grouped[call.client_key, call.idempotency_key].append(call)
    return grouped


def _distinct(calls: Sequence[Call], of: Callable[[Call], Hashable]) -> list[Hashable]:
    return list(dict.fromkeys(map(of, calls)))


def _quotas_by_client(books: Books) -> dict[str, list[Quota]]:
    grouped: dict[str, list[Quota]] = defaultdict(list)
    for quota in books.quotas or ():
        grouped[quota.client_key].append(quota)
    return grouped


def _taken(books: Books, client_key: str) -> int:
    """How many messages of a client there are: told to it, or in the database although nobody was told."""
    told = {call.tracking_id for call in books.calls or () if call.client_key == client_key and call.is_accepted}
    return len(told | {row.tracking_id for row in books.rows or () if row.client_key == client_key})


def _untold(books: Books, client_key: str) -> int:
    """How many requests (retries under one key are one) never heard what became of them."""
    calls = [call for call in books.calls or () if call.client_key == client_key]
    told = {_request(call) for call in calls if call.is_accepted or (call.status or 500) in _FINAL}
    return len({_request(call) for call in calls} - told)


def _request(call: Call) -> Hashable:
    return call.idempotency_key or id(call)


def _seconds_of_ours(call: Call, books: Books) -> float:
    """How long a call took, without the time in which nobody could have answered it."""
    return call.seconds - sum(_overlap((call.began_at, call.ended_at), stall) for stall in books.stalls)


def _overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> float:
    return max(0.0, (min(one[1], other[1]) - max(one[0], other[0])).total_seconds())
