"""An SMPP 3.4 client (ESME). Source: SMPP Protocol Specification v3.4 Issue 1.2 (smsforum.net, 1999)."""

from datetime import timedelta

import httpx

from smsgw.core.ports import Clock, Provider
from smsgw.providers.about import About, Feature
from smsgw.providers.base import Adapter, utc_now
from smsgw.providers.smpp.config import Config
from smsgw.providers.smpp.provider import SmppProvider
from smsgw.providers.smpp.receipts import STATES, WORDS
from smsgw.providers.smpp.statuses import STATUSES


class Smpp(Adapter[Config]):
    """A connection to an SMSC, or to a provider that speaks SMPP."""

    config_type = Config
    about = About(
        title="SMPP 3.4",
        documentation="https://smpp.org/SMPP_v3_4_Issue1_2.pdf",
        set_up=(
            "Ask the operator for host, port, system_id, password and system_type, and whether TLS is offered.",
            "Ask how many binds the account may hold: every worker opens `binds`, twice with `transmitter+receiver`.",
            "Ask for the window, the messages per second (`rate_limit`), the default alphabet, TON and NPI of senders.",
            "Ask whether ids are hex in submit_sm_resp and decimal in receipts, or the reverse (`id_base`).",
            "Send one message and compare the id of its receipt with the one in the status API.",
        ),
        reports=(
            "As deliver_sm or data_sm over the bind; there is no webhook. Each is answered only after it is committed "
            "to the database; when that is away, with 0x64, so that the SMSC sends it again."
        ),
        limits="As the operator says. A text of up to 255 segments; `message_payload` up to 60,000 octets.",
        features=frozenset({Feature.SENDER, Feature.VALIDITY, Feature.SEGMENTS}),
        maps={
            "command_status": {f"0x{code:02X} {known.name}": known.outcome for code, known in STATUSES.items()},
            "message_state": STATES,
            "stat": WORDS,
        },
        notes=(
            "A submit_sm without an answer is UNKNOWN, and stays so: SMPP has no reference of ours to ask by.",
            "A temporary refusal (RSYSERR and the like) counts as UNREACHABLE: not taken, to be tried again.",
            "After RTHROTTLED and RMSGQFUL nothing is sent for 0.5 s, twice as long each time in a row, up to 10 s.",
            "A bind refused for its account is tried again after 30 times `reconnect_seconds`, then ever later.",
            "The parts of a long text go out one after the other. When a later one is refused, it is REJECTED.",
            "Then another provider may send it whole. When the answer of a part is lost, the message is UNKNOWN.",
            "A message is delivered when the receipts of all its parts say so.",
            "Messages from people (MO) are answered, counted in `smsgw_inbound_dropped_total` and dropped.",
        ),
    )

    def provider(
        self,
        name: str,
        *,
        transport: httpx.AsyncBaseTransport,  # noqa: ARG002  (it has connections of its own)
        timeout: timedelta,
        clock: Clock = utc_now,  # noqa: ARG002
    ) -> Provider:
        """Return the provider; it sends while it runs."""
        return SmppProvider(name, self.config, timeout=timeout)

    @classmethod
    def abilities(cls) -> list[str]:
        """Return what it can do; its reports come over the bind, and not through `read_report`."""
        send, *features = super().abilities()
        return [send, "reports", *features]

    def secrets(self) -> tuple[str, ...]:
        """Return the account's name and password."""
        return (self.config.system_id, self.config.password)


PROVIDER = Smpp
