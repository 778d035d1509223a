"""Providers as configured, their aliases, and the gate that refuses what is doomed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from smsgw.core.numbering import known_regions
from smsgw.core.sender import ANY, problem_of_senders

RESERVED_NAMES = frozenset({"send", "providers", "health", "requests", "rate-limits", "distribution-stats"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class RateUnit(StrEnum):
    """What a provider counts."""

    MESSAGE = "message"
    SEGMENT = "segment"


class ProviderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of PROVIDERS_CONFIG."""

    is_active: bool
    is_operational: bool
    is_draining: bool = False
    """It is given no new message, and sends on what can go only through it."""
    aliases: tuple[str, ...] = ()
    note: str | None = None
    kind: str | None = None
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    rate_limit: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    """Messages (or segments) per second; None: PROVIDER_RATE_LIMIT, 0: no limit."""
    rate_unit: RateUnit = RateUnit.MESSAGE
    rate_burst_seconds: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    """How many seconds of its rate it takes at once."""
    sender: str | None = None
    """Whom texts come from where neither the message nor `senders` says."""
    senders: Annotated[dict[str, str], Meta(max_length=500)] = {}
    """The same by ISO 3166 country of the number that a message goes to."""
    options: dict[str, Any] = {}

    def __repr__(self) -> str:
        # Its options may be credentials.
        return f"ProviderConfig(kind={self.kind!r}, is_active={self.is_active}, is_operational={self.is_operational})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("kind", self.kind), ("is_active", self.is_active), ("is_operational", self.is_operational)]

    def sender_to(self, country: str) -> str | None:
        """Return whom texts to a country come from by default; None: as the adapter's options or the vendor has it."""
        return self.senders.get(country) or self.sender

    @property
    def can_send(self) -> bool:
        """Whether a message that can go only through it is sent."""
        return self.is_active and self.is_operational

    @property
    def is_usable(self) -> bool:
        """Whether a new message may be sent through it."""
        return self.can_send and not self.is_draining


class ProviderConfigError(ValueError):
    """PROVIDERS_CONFIG breaks a rule; the message names the entry and the mistake."""


class Providers:
    """The configured providers by canonical name, and every name or alias, in any case, that leads to one."""

    def __init__(self, by_name: Mapping[str, ProviderConfig]) -> None:
        self._by_name = dict(by_name)
        self._canonical = _names_and_aliases(self._by_name)

    @classmethod
    def parse(cls, raw: str) -> "Providers":
        """Return the providers of a raw PROVIDERS_CONFIG; raises ProviderConfigError with one line."""
        try:
            return cls(msgspec.json.decode(raw, type=dict[str, ProviderConfig]))
        except _UNREADABLE as error:
            raise ProviderConfigError(_named(raw) or str(error)) from None

    def resolve(self, name: str) -> str | None:
        """Return the canonical name of a name or alias in any case, or None."""
        return self._canonical.get(name) or self._canonical.get(name.casefold())

    def can_send(self, name: str) -> bool:
        """Whether the provider of this canonical name exists and is active and operational, draining or not."""
        config = self._by_name.get(name)
        return config is not None and config.can_send

    def is_usable(self, name: str) -> bool:
        """Whether the provider of this canonical name exists, is active and operational, and is not draining."""
        config = self._by_name.get(name)
        return config is not None and config.is_usable

    def usable(self) -> tuple[str, ...]:
        """Return the canonical names of all usable providers, in the order of the configuration."""
        return tuple(name for name, config in self._by_name.items() if config.is_usable)

    def kind_of(self, name: str) -> str:
        """Return the adapter's name: `kind`, else the provider's name lower-cased with `_` for `-`."""
        return self._by_name[name].kind or name.lower().replace("-", "_")

    def sender_of(self, name: str, country: str) -> str | None:
        """Return whom texts to a country come from by default at a provider, None also for one that is no more."""
        config = self._by_name.get(name)
        return config.sender_to(country) if config else None

    def __getitem__(self, name: str) -> ProviderConfig:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


class UnknownProvider(msgspec.Struct, frozen=True):
    """A requested name that is neither a provider nor an alias."""

    requested: str
    allowed: tuple[str, ...]


class Blocked(msgspec.Struct, frozen=True):
    """The gate's refusal: `error_code` is PROVIDER_DISABLED, ALL_PROVIDERS_DISABLED or NO_PROVIDER_AVAILABLE."""

    error_code: str
    providers: tuple[str, ...] = ()


class Passed(msgspec.Struct, frozen=True):
    """The request may go on, with these canonical names (empty: smart selection)."""

    effective: tuple[str, ...]


def gate(requested: Sequence[str] | None, providers: Providers, *, enabled: bool) -> Passed | Blocked | UnknownProvider:
    """Decide whether a request can be served at all (spec section 3, step 5). With `enabled` False only names count."""
    names: dict[str, None] = {}
    for name in requested or ():
        canonical = providers.resolve(name)
        if canonical is None:
            return UnknownProvider(name, tuple(providers))
        names[canonical] = None
    wanted = tuple(names)
    if not enabled:
        return Passed(wanted)
    if not wanted:
        return Passed(()) if providers.usable() else Blocked("NO_PROVIDER_AVAILABLE")
    effective = tuple(name for name in wanted if providers.is_usable(name))
    if effective:
        return Passed(effective)
    return Blocked("PROVIDER_DISABLED" if len(wanted) == 1 else "ALL_PROVIDERS_DISABLED", wanted)


def _named(raw: str) -> str | None:
    """Return the first entry that is wrong, with what is wrong in it; None when the mistake is in none of them. The
    decoder itself says `$[...]`, which finds nobody among twenty."""
    try:
        entries = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        for name, entry in entries.items():
            if problem := _problem_of(entry):
                return f"{name!r}: {problem}"
    except _UNREADABLE:
        return None
    return None


def _problem_of(entry: msgspec.Raw) -> str | None:
    try:
        msgspec.json.decode(entry, type=ProviderConfig)
    except _UNREADABLE as error:
        return str(error)
    return None


def _names_and_aliases(by_name: Mapping[str, ProviderConfig]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for name, config in by_name.items():
        _check_entry(name, config)
        for word in dict.fromkeys((name, *config.aliases)):
            owner = owners.setdefault(word.casefold(), name)
            if owner != name:
                raise ProviderConfigError(f"{word!r} of {name!r} collides with a name or alias of {owner!r}")
    return owners


def _check_entry(name: str, config: ProviderConfig) -> None:
    for word in (name, *config.aliases):
        if not _NAME.fullmatch(word):
            raise ProviderConfigError(f"{word!r}: a name or alias is 1 to 64 of A-Z a-z 0-9 . _ -")
        if word.casefold() in RESERVED_NAMES:
            raise ProviderConfigError(f"{word!r} is reserved: it is a path of the operations API")
    if config.kind is not None and not _KIND.fullmatch(config.kind):
        raise ProviderConfigError(f"{name!r}: kind {config.kind!r} is not an adapter's name (a-z 0-9 _)")
    if problem := _problem_of_defaults(config):
        raise ProviderConfigError(f"{name!r}: {problem}")


def _problem_of_defaults(config: ProviderConfig) -> str | None:
    senders = [*config.senders.values(), *([] if config.sender is None else [config.sender])]
    if ANY in senders:
        return f"the sender {ANY!r} is none: name one"
    # Looked up only where somebody wrote countries down: the list of them is libphonenumber's.
    strange = next((country for country in config.senders if country not in known_regions()), None)
    if strange is not None:
        return f"senders: {strange[:8]!r} is no country; ISO 3166 in upper case expected, e.g. DE"
    return problem_of_senders(senders)
