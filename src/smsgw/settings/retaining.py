"""How long texts and messages are kept: read, and held against how long they are needed."""

import math
from datetime import timedelta

from smsgw.core.data_care import Retention
from smsgw.settings.reading import Reader, SettingsError

MOST_DAYS = 36_500
LEAST_MESSAGES = 3
"""`smsgw audit` looks 48 hours back, and calls lost what has no row."""
_DAY = 86_400


def retention_of(read: Reader, *, longest_ttl: int, report_deadline: timedelta) -> Retention:
    """Return RETAIN_TEXT_DAYS and RETAIN_MESSAGES_DAYS; raises SettingsError where one would erase what is needed."""
    texts = read.whole("RETAIN_TEXT_DAYS", 0, low=0, high=MOST_DAYS)
    messages = read.whole("RETAIN_MESSAGES_DAYS", 0, low=0, high=MOST_DAYS)
    if texts and texts * _DAY < longest_ttl:
        raise SettingsError(f"RETAIN_TEXT_DAYS: {texts} is shorter than MAX_TTL_SECONDS ({longest_ttl}) allows")
    least = max(LEAST_MESSAGES, math.ceil((longest_ttl + report_deadline.total_seconds()) / _DAY))
    if messages and messages < least:
        raise SettingsError(
            f"RETAIN_MESSAGES_DAYS: {messages} is less than {least}, the least that MAX_TTL_SECONDS, "
            "REPORT_DEADLINE_SECONDS and the audit allow"
        )
    if messages and texts > messages:
        raise SettingsError(f"RETAIN_TEXT_DAYS: {texts} is more than RETAIN_MESSAGES_DAYS ({messages})")
    return Retention(texts=_days(texts), messages=_days(messages))


def _days(number: int) -> timedelta | None:
    return timedelta(days=number) if number else None
