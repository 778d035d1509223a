"""Whether a role can do its work now: what /readyz asks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

Check = Callable[[], Awaitable[str | None]]
"""Returns None when the dependency is fine, else a short reason that a stranger may read."""

_PATIENCE_SECONDS = 1.0


class Readiness:
    """Asks every dependency at once; never takes longer than a second and never raises."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self.draining = False
        """Set once the role is told to stop, so that a load balancer looks away before it stops accepting."""

    async def problems(self) -> dict[str, str]:
        """Return a reason for each dependency that cannot be used; empty when the role is ready."""
        if self.draining:
            return {"draining": "stopping"}
        reasons = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
        return {name: reason for name, reason in zip(self._checks, reasons, strict=True) if reason is not None}


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await check()
    except TimeoutError:
        return "no answer within a second"
    except Exception as error:  # noqa: BLE001  (whatever a check raises means "not ready"; its text may hold a host name)
        return f"the check failed ({type(error).__name__})"
