"""What every provider's options are made of: structs that do not show what they hold."""

from typing import Any

import msgspec


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of a `Config` and of the structs in it. Its repr names the options that are set and shows no value:
    among them are credentials, and nobody knows where a repr ends up."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}=...' for name in self._given())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, ...) for name in self._given()]

    def _given(self) -> list[str]:
        values = msgspec.structs.asdict(self)
        return [name for name, value in values.items() if value is not None]
