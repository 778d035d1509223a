"""One JSON line per thing that happened; lines for people only where people look, on a terminal."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from smsgw.core.phone import mask
from smsgw.telemetry.line_output import LineOutput

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NUMBER = re.compile(r"\+[0-9]{7,15}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_COLOURS = {"debug": "\x1b[2m", "info": "", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}


def open_log(
    service: str, level: str, *, is_terminal: bool, output: BinaryIO | None = None, libraries: bool = True
) -> FilteringBoundLogger:
    """Return the process's logger; with `libraries` also what they say at WARNING and above becomes its lines."""
    stream = output or sys.stdout.buffer
    processor = _Plain() if is_terminal else _Json(service)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        LineOutput(stream),
        processors=[processor],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
        cache_logger_on_first_use=True,
    ).bind()
    if libraries:
        _adopt_libraries(logger)
    return logger


def crash_site(error: BaseException) -> str:
    """Return the kinds of an exception and its causes and where they came from, without their messages: those may hold
    a number, a text or a credential."""
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:
        frames = traceback.extract_tb(seen.__traceback__)[-8:]
        places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        chain.append(f"{type(seen).__module__}.{type(seen).__qualname__}" + (f" at {places}" if places else ""))
        seen = seen.__cause__ or seen.__context__
    return " | from ".join(chain)


class _Json:
    """Renders one event as one JSON line; control characters leave escaped, so that no value can begin a new line."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def __call__(self, _: Any, method: str, event: Mapping[str, Any]) -> bytes:
        fields = dict(event)
        line: dict[str, Any] = {
            "timestamp": datetime.now(UTC),
            "level": method,
            "service": self._service,
            "message": fields.pop("event"),
            **fields,
        }
        try:
            return self._encode(line)
        except (TypeError, ValueError, UnicodeError):
            return self._encode({name: ascii(value) for name, value in line.items()})


class _Plain:
    """Renders one event for a terminal."""

    def __call__(self, _: Any, method: str, event: Mapping[str, Any]) -> bytes:
        fields = dict(event)
        message = fields.pop("event")
        told = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        line = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], f"{message:<28} {told}".rstrip())
        colour = _COLOURS.get(method, "")
        clock = datetime.now().astimezone().strftime("%H:%M:%S")
        shown = f"{clock} {colour}{method:<7} {line}{chr(27) + '[0m' if colour else ''}"
        return shown.encode("utf-8", "backslashreplace")


class _Adopted(logging.Handler):
    """Turns a library's log record into one of our lines."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields: dict[str, Any] = {"logger": record.name, "text": redacted(record.getMessage())}
            if record.exc_info and record.exc_info[1]:
                fields["exception"] = crash_site(record.exc_info[1])
            level = "error" if record.levelno >= logging.ERROR else "warning"
            self._logger.log(LEVELS[level], "library.said", **fields)
        except Exception:  # noqa: BLE001  (the contract of logging.Handler: a bad record must not break its sender)
            self.handleError(record)


def _adopt_libraries(logger: FilteringBoundLogger) -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Adopted | logging.StreamHandler)]:
        root.removeHandler(handler)
    root.addHandler(_Adopted(logger))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def redacted(text: str) -> str:
    """Return a text that others wrote with its numbers masked, and not longer than a screen."""
    return _NUMBER.sub(lambda found: mask(found[0]), text)[:2000]
