"""The provider that needs nobody: it takes every message, offline, and nothing leaves the machine."""

from datetime import timedelta
from uuid import UUID

import httpx
import msgspec

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.ports import Clock, Provider, Submit
from smsgw.providers.base import Adapter, utc_now


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It has no options."""


class LocalSms(Adapter[Config]):
    """Accepts everything, with a message id that follows from our reference."""

    config_type = Config

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
        self.read_report = adapter.read_report

    async def send(self, submit: Submit) -> SendResult:
        return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=f"local-{submit.reference.hex}")

    async def look_up(self, reference: UUID) -> LookUpResult:  # noqa: ARG002
        return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"{self.name} keeps no records")

    async def close(self) -> None:
        """Nothing is open."""


PROVIDER = LocalSms
