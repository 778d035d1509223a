"""`smsgw simulate`: files in, a comparison out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from smsgw.settings import SettingsError, parse_providers, read_document
from smsgw.strategies.cases import cases_of
from smsgw.strategies.chart import NoChartsError, draw, need_matplotlib
from smsgw.strategies.compare import Told, compare
from smsgw.strategies.profile import Profile
from smsgw.strategies.reading import ProfileError, read
from smsgw.strategies.table import NOTE, table_of
from smsgw.strategies.tally import Summary

__all__ = [
    "NOTE",
    "ProfileError",
    "as_json",
    "check_charts",
    "draw_charts",
    "example",
    "run_simulation",
    "table_of",
]


def example() -> str:
    """Return a profile to begin with."""
    return Path(__file__).parents[1].joinpath("strategies", "example.json").read_text("utf-8")


def run_simulation(
    path: Path,
    *,
    providers: Path | None,
    names: Sequence[str],
    seed: int,
    begin: Callable[[Sequence[str], int], Told],
) -> list[Summary]:
    """Return what each strategy makes of the profile. `begin` is given their names and the number of messages, and
    returns who hears how far they are. Raises SettingsError, ProfileError."""
    profile = _profile(path, providers)
    cases = cases_of(profile, names)
    return compare(profile, cases, seed=seed, told=begin([case.name for case in cases], profile.messages))


def check_charts(charts: Mapping[str, Path]) -> None:
    """Raise SettingsError, before anything is computed, when these charts (by kind) could not be written."""
    try:
        if charts:
            need_matplotlib()
    except NoChartsError as error:
        raise SettingsError(str(error)) from None
    for path in charts.values():
        if problem := _problem_of(path):
            raise SettingsError(f"cannot write {str(path)!r}: {problem}")


def _problem_of(path: Path) -> str | None:
    try:
        if not path.parent.is_dir():
            return "no such directory"
        return "it is a directory" if path.is_dir() else None
    except OSError as error:
        return error.strerror


def draw_charts(summaries: Sequence[Summary], charts: Mapping[str, Path]) -> None:
    """Write the charts. Raises SettingsError."""
    if not charts:
        return
    try:
        draw(summaries, charts)
    except OSError as error:
        # A disk that is full does not say which file it was.
        path = error.filename or ", ".join(map(str, charts.values()))
        raise SettingsError(f"cannot write {str(path)!r}: {error.strerror}") from None


def as_json(summaries: Sequence[Summary]) -> str:
    """Return the whole comparison for programs."""
    return msgspec.json.format(msgspec.json.encode(summaries), indent=2).decode()


def _profile(path: Path, providers: Path | None) -> Profile:
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    configured = parse_providers(read_document("PROVIDERS_CONFIG", providers)) if providers else None
    return read(raw, configured)
