"""What `smsgw dev` says once it listens: the key, a `curl` line that works, the addresses."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from smsgw.wiring.process import utc_now

EXAMPLE = {"to": "+4915112345678", "text": "Your code is 1234"}


class Greeting:
    """Lines for a terminal; one JSON line for anything else, as every line of a process's log."""

    def __init__(
        self, *, key: str | None, directory: Path, providers: Sequence[str], say: Callable[[str], None]
    ) -> None:
        self._key = key
        self._directory = directory
        self._providers = providers
        self._say = say
        self.console_url = ""
        self.link_token = ""
        """Of the link that signs in to the console, once; empty: there is no console."""

    def say(self, host: str, port: int) -> None:
        """Greet whoever started it."""
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104  (compared, not bound)
        if sys.stdout.isatty():
            self._greet(url)
            return
        facts = {"timestamp": utc_now().isoformat(), "level": "info", "service": "smsgw-dev", "message": "dev.ready"}
        addresses = {"url": url, "docs": f"{url}/docs", "data": str(self._directory), "curl": self._curl(url)}
        if self.link_token:
            addresses["console"] = self._link(url)
        self._say(json.dumps({**facts, "api_key": self._key, **addresses, "providers": list(self._providers)}))

    def _greet(self, url: str) -> None:
        key = self._key or "(one of CLIENT_CONFIG)"
        self._say(
            f"""
smsgw is running on one SQLite file in {self._directory}. Ctrl-C stops it.

  API key    {key}
  Send       {self._curl(url)}
  Status     curl -s {url}/api/status/TRACKING_ID -H 'API-Key: {self._shown_key}'
  Docs       {url}/docs
  Providers  {", ".join(self._providers)}
{self._console(url)}"""
        )

    def _console(self, url: str) -> str:
        return f"  Console    {self._link(url)}  (signs you in, once)\n" if self.link_token else ""

    def _link(self, url: str) -> str:
        return f"{self.console_url or url}/console/link/{self.link_token}"

    def _curl(self, url: str) -> str:
        body = json.dumps(EXAMPLE)
        return (
            f"curl -s -X POST {url}/api/v1/sms/send -H 'API-Key: {self._shown_key}' "
            f"-H 'Content-Type: application/json' -d '{body}'"
        )

    @property
    def _shown_key(self) -> str:
        return self._key or "YOUR-KEY"
