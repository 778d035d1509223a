"""From a file's text to a profile without contradictions, or one line per mistake."""

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from smsgw.core.providers import Blocked, ProviderConfig, ProviderConfigError, Providers, UnknownProvider, gate
from smsgw.core.routing import Strategy
from smsgw.strategies.profile import MOST_MESSAGES, MOST_SECONDS, Model, Profile, Settings, Variant


class ProfileError(ValueError):
    """The profile is wrong. `lines`: one per mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.lines = lines


def read(raw: bytes, configured: Providers | None = None) -> Profile:
    """Return the profile; our side of its providers is that of `configured` where given. Raises ProfileError."""
    try:
        profile = msgspec.json.decode(raw, type=Profile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ProfileError([_one_line(error)]) from None
    if configured is not None:
        profile = _with(profile, configured)
    if mistakes := list(_mistakes(profile)):
        raise ProfileError(mistakes)
    return profile


def settings_of(base: Settings, variant: Variant) -> Settings:
    """Return the settings with what a variant changes; raises msgspec.ValidationError."""
    return msgspec.convert({**msgspec.to_builtins(base), **variant.settings}, Settings)


def configs(models: Mapping[str, Model]) -> dict[str, ProviderConfig]:
    """Return our side of the providers, as the core knows it."""
    return {
        name: ProviderConfig(
            is_active=True,
            is_operational=True,
            priority=model.priority,
            weight=model.weight,
            rate_limit=model.rate_limit,
            rate_unit=model.rate_unit,
            rate_burst_seconds=model.rate_burst_seconds,
        )
        for name, model in models.items()
    }


def _with(profile: Profile, configured: Providers) -> Profile:
    """Return the profile with the usable providers of a PROVIDERS_CONFIG, each behaving as its model says."""
    missing = [name for name in configured.usable() if name not in profile.providers]
    if missing or not configured.usable():
        lines = [f"providers: {name} of PROVIDERS_CONFIG has no model in this profile" for name in missing]
        raise ProfileError(lines or ["PROVIDERS_CONFIG: no provider is active and operational"])
    streams, lines = [], []
    for number, stream in enumerate(profile.traffic):
        passed = gate(stream.providers, configured, enabled=True)
        if isinstance(passed, UnknownProvider):
            lines.append(f"traffic[{number}].providers: {passed.requested!r} is not a provider of PROVIDERS_CONFIG")
        elif isinstance(passed, Blocked):
            lines.append(f"traffic[{number}].providers: the gateway would refuse it: {passed.error_code}")
        else:
            streams.append(msgspec.structs.replace(stream, providers=passed.effective))
    if lines:
        raise ProfileError(lines)
    models = {name: _configured(profile.providers[name], configured[name]) for name in configured.usable()}
    return msgspec.structs.replace(profile, providers=models, traffic=tuple(streams))


def _configured(model: Model, config: ProviderConfig) -> Model:
    return msgspec.structs.replace(
        model,
        priority=config.priority,
        weight=config.weight,
        rate_limit=config.rate_limit,
        rate_unit=config.rate_unit,
        rate_burst_seconds=config.rate_burst_seconds,
    )


def _mistakes(profile: Profile) -> Iterator[str]:
    yield from _wrong_load(profile)
    for name, model in profile.providers.items():
        yield from _wrong_model(f"providers.{name}", model)
    try:
        Providers(configs(profile.providers))
    except ProviderConfigError as error:
        yield f"providers: {error}"
    if all(model.weight == 0 for model in profile.providers.values()):
        yield "providers: weight 0 everywhere: nobody would have a turn under `weighted`"
    for number, stream in enumerate(profile.traffic):
        for unknown in (name for name in stream.providers if name not in profile.providers):
            yield f"traffic[{number}].providers: {unknown!r} is not one of {', '.join(profile.providers)}"
    yield from _wrong_variants(profile)


def _wrong_load(profile: Profile) -> Iterator[str]:
    unclear = [n for n, phase in enumerate(profile.phases) if (phase.per_second is None) == (phase.messages is None)]
    yield from (f"phases[{number}]: either per_second or messages expected" for number in unclear)
    if sum(phase.seconds for phase in profile.phases) > MOST_SECONDS:
        yield f"phases: at most {MOST_SECONDS} seconds in all"
    if not unclear and not 1 <= profile.messages <= MOST_MESSAGES:
        yield f"phases: 1 to {MOST_MESSAGES} messages in all expected, not {profile.messages}"


def _wrong_model(where: str, model: Model) -> Iterator[str]:
    if model.latency.median_seconds > model.latency.p99_seconds:
        yield f"{where}.latency: median_seconds is above p99_seconds"
    if (failing := sum(model.failures.values())) > 1:
        yield f"{where}.failures: the shares add up to {failing:g}, more than 1"
    for number, outage in enumerate(model.outages):
        if outage.from_seconds >= outage.to_seconds:
            yield f"{where}.outages[{number}]: from_seconds is not before to_seconds"


def _wrong_variants(profile: Profile) -> Iterator[str]:
    named = Counter([*(each.value for each in Strategy), *(variant.name for variant in profile.variants)])
    yield from (f"variants: the name {name!r} is taken" for name, count in named.items() if count > 1)
    for variant in profile.variants:
        for unknown in (name for name in variant.providers if name not in profile.providers):
            yield f"variants.{variant.name}.providers: {unknown!r} is not one of {', '.join(profile.providers)}"
        try:
            settings_of(profile.settings, variant)
        except msgspec.ValidationError as error:
            yield f"variants.{variant.name}.settings: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:250]
