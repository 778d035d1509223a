"""What is compared: each strategy of the product, and the variants of the profile."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from smsgw.core.buckets import Limit
from smsgw.core.health import Rules
from smsgw.core.lifecycle import Timers
from smsgw.core.routing import Strategy
from smsgw.strategies.profile import Change, Model, Profile, Settings
from smsgw.strategies.reading import ProfileError, settings_of


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy with all its numbers."""

    name: str
    strategy: Strategy
    providers: dict[str, Model]
    settings: Settings
    workers: int

    @property
    def timers(self) -> Timers:
        """The settings that the life of a message depends on."""
        settings = self.settings
        return Timers(
            max_attempts=settings.max_send_attempts,
            retry_base=timedelta(seconds=settings.retry_base_seconds),
            retry_max=timedelta(seconds=settings.retry_max_seconds),
            lease=timedelta(seconds=settings.provider_timeout_seconds + 25),
            unknown_settle=timedelta(seconds=settings.unknown_settle_seconds),
            resend_unknown=settings.on_unknown == "resend",
        )

    @property
    def rules(self) -> Rules:
        """When a circuit opens."""
        return Rules(
            window_seconds=self.settings.health_window_seconds,
            min_sample=self.settings.health_min_sample,
            failure_ratio=self.settings.health_failure_ratio,
            open_seconds=self.settings.health_open_seconds,
        )

    @property
    def limits(self) -> dict[str, Limit | None]:
        """Every provider's limit at our side; None for none."""
        rates = {
            name: self.settings.provider_rate_limit if model.rate_limit is None else model.rate_limit
            for name, model in self.providers.items()
        }
        bursts = {name: model.rate_burst_seconds for name, model in self.providers.items()}
        return {name: Limit(rate, bursts[name]) if rate else None for name, rate in rates.items()}

    @property
    def total_limit(self) -> Limit | None:
        """TOTAL_RATE_LIMIT; None for none."""
        rate = self.settings.total_rate_limit
        return Limit(rate) if rate else None


def cases_of(profile: Profile, wanted: Sequence[str] = ()) -> list[Case]:
    """Return the wanted cases in that order; without names all there are. Raises ProfileError for an unknown name."""
    known = {case.name: case for case in (*_plain(profile), *_variants(profile))}
    if unknown := [name for name in wanted if name not in known]:
        raise ProfileError([f"strategy {name!r} does not exist; one of {', '.join(known)}" for name in unknown])
    return [known[name] for name in dict.fromkeys(wanted)] if wanted else list(known.values())


def _plain(profile: Profile) -> list[Case]:
    return [
        Case(
            name=strategy.value,
            strategy=strategy,
            providers=profile.providers,
            settings=profile.settings,
            workers=profile.workers,
        )
        for strategy in Strategy
    ]


def _variants(profile: Profile) -> list[Case]:
    return [
        Case(
            name=variant.name,
            strategy=variant.strategy,
            providers={
                name: _changed(model, variant.providers.get(name, Change()))
                for name, model in profile.providers.items()
            },
            settings=settings_of(profile.settings, variant),
            workers=variant.workers or profile.workers,
        )
        for variant in profile.variants
    ]


def _changed(model: Model, change: Change) -> Model:
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    return msgspec.structs.replace(model, **given)
