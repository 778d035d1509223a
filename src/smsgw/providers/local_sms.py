"""The provider that needs nobody: it takes every message, offline, and nothing leaves the machine."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import httpx

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Clock, Forged, Keep, Observer, Provider, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import Adapter, utc_now
from smsgw.providers.options import Options


class Config(Options, frozen=True, forbid_unknown_fields=True):
    """It has no options."""


class LocalSms(Adapter[Config]):
    """Accepts everything, with a message id that follows from our reference."""

    config_type = Config
    about = About(
        title="Local SMS",
        documentation="",
        set_up=("Nothing: name a provider `Local-SMS`, or give it the kind `local_sms`.",),
        reports="None: a message ends as SENT.",
        limits="None.",
        features=frozenset({Feature.REFERENCE}),
        maps={"Every message": {"any": Outcome.ACCEPTED}},
        notes=("Nothing leaves the machine: for trying out, and as a last resort that keeps a queue moving.",),
    )

    def provider(
        self,
        name: str,
        *,
        transport: httpx.AsyncBaseTransport,  # noqa: ARG002  (nothing leaves)
        timeout: timedelta,  # noqa: ARG002
        clock: Clock = utc_now,  # noqa: ARG002
    ) -> Provider:
        """Return a provider that works without HTTP."""
        return _Local(name, self)


class _Local:
    can_look_up = False

    def __init__(self, name: str, adapter: LocalSms) -> None:
        self.name = name
        self._adapter = adapter

    async def send(self, submit: Submit) -> SendResult:
        return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=f"local-{submit.reference.hex}")

    async def look_up(self, reference: UUID) -> LookUpResult:  # noqa: ARG002
        return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"{self.name} keeps no records")

    async def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        return self._adapter.read_report(request)

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Nothing is held open."""

    async def close(self) -> None:
        """Nothing is open."""


PROVIDER = LocalSms
