"""Reports of vendors that sign nothing: a secret in the address, and the addresses they come from."""

import hmac
from ipaddress import ip_address, ip_network
from typing import Annotated

from msgspec import Meta

from smsgw.core.ports import ReportRequest
from smsgw.providers.options import Options

WebhookToken = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]{16,128}\Z",
        description="Stands in the webhook's address and must be secret: `openssl rand -hex 24` makes one.",
    ),
]
WebhookUrl = Annotated[
    str,
    Meta(
        max_length=2000,
        description="The webhook's whole public address, where PUBLIC_URL does not lead to it.",
    ),
]
Networks = Annotated[
    tuple[str, ...],
    Meta(
        max_length=256,
        description="Addresses or networks (CIDR) that reports may come from; empty: from anywhere, with the token.",
    ),
]


class Guard(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of a vendor that signs nothing; its `Config` extends it. Without a token no report is believed."""

    webhook_token: WebhookToken | None = None
    webhook_allow: Networks = ()
    webhook_url: WebhookUrl | None = None

    def __post_init__(self) -> None:
        check_networks(self.webhook_allow)


def check_networks(networks: tuple[str, ...]) -> None:
    """Raise ValueError when one of them is no address and no network."""
    for number, network in enumerate(networks, 1):
        try:
            parsed = ip_network(network)
        except ValueError:
            raise ValueError(f"webhook_allow: entry {number} is no address and no network") from None
        if getattr(parsed.network_address, "ipv4_mapped", None):
            # Callers are compared as the IPv4 addresses that they are: it would never match.
            raise ValueError(f"webhook_allow: entry {number} must be written as IPv4")


def distrust(guard: Guard, request: ReportRequest) -> str | None:
    """Return why a call is not the vendor's, or None: it must name the token and come from an allowed address."""
    if guard.webhook_token is None:
        return "no webhook_token is configured"
    if not hmac.compare_digest(guard.webhook_token.encode(), request.token.encode("utf-8", "surrogateescape")):
        return "the token in the address does not fit"
    if guard.webhook_allow and not _is_among(request.peer, guard.webhook_allow):
        return "it comes from an address that is not allowed"
    return None


def _is_among(peer: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in ip_network(network) for network in networks)
