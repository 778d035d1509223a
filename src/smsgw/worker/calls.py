"""One call to one provider, with everything that it tells: its outcome, the provider's health, a fact."""

import time
from collections.abc import Callable, Mapping

from smsgw.core.costs import currency_of, price_of, segments_of
from smsgw.core.country import country_of
from smsgw.core.events import AttemptFinished, CostTold, Crashed
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import Attempt, Message
from smsgw.core.ports import Clock, Observer, Provider, Submit
from smsgw.core.providers import Providers
from smsgw.core.text import segments
from smsgw.worker.planning import Permit, Planner


class Calls:
    """Calls providers. Nothing that a provider or its adapter does raises here."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        configured: Callable[[], Providers],
        planner: Planner,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._configured = configured
        self._planner = planner
        self._observer = observer
        self._clock = clock

    async def make(self, message: Message, attempt: Attempt, permit: Permit | None) -> SendResult:
        """Ask the attempt's provider to send; without a permit, or without such a provider, nothing is sent."""
        adapter = self._providers.get(attempt.provider)
        if permit is None:
            return SendResult(outcome=Outcome.THROTTLED, detail="not called: at its limit here, or its circuit is open")
        if adapter is None:
            return SendResult(outcome=Outcome.UNREACHABLE, detail="not called: no such provider at this worker")
        began = time.monotonic()
        result = await self._send(message, adapter)
        self._planner.learn(permit, result)
        self._observer(
            AttemptFinished(
                tracking_id=message.tracking_id,
                client_key=message.client_key,
                provider=attempt.provider,
                number=attempt.number,
                outcome=result.outcome,
                seconds=time.monotonic() - began,
                country=permit.country,
                detail=result.detail,
            )
        )
        if result.outcome is Outcome.ACCEPTED:
            self._observer(_cost(message, attempt, result))
        return result

    def can_look_up(self, provider: str) -> bool:
        """Whether this provider can be asked about a reference."""
        adapter = self._providers.get(provider)
        return adapter is not None and adapter.can_look_up

    async def _send(self, message: Message, adapter: Provider) -> SendResult:
        now = self._clock()
        validity = max(1, int((message.expires_at - now).total_seconds()))
        submit = Submit(
            reference=message.tracking_id,
            to=message.to,
            text=message.text,
            validity_seconds=validity,
            asked_at=now,
            sender=message.sender or self._configured().sender_of(adapter.name, country_of(message.to)),
        )
        try:
            return await adapter.send(submit)
        except Exception as error:  # noqa: BLE001  (a bug in an adapter: nobody can know what left)
            self._observer(Crashed(where=f"provider {adapter.name}", error=error, tracking_id=message.tracking_id))
            return SendResult(outcome=Outcome.UNKNOWN, detail=f"adapter failed: {type(error).__name__}")


def _cost(message: Message, attempt: Attempt, result: SendResult) -> CostTold:
    return CostTold(
        provider=attempt.provider,
        segments=segments_of(result.segments) or segments(message.text),
        price=price_of(result.price),
        currency=currency_of(result.currency),
    )
