"""AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Only what a POST of JSON to the root of a service needs: no query, no path, nothing to normalise in them.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from smsgw.providers.options import Options

ALGORITHM = "AWS4-HMAC-SHA256"


class Signer(Options, frozen=True, kw_only=True):
    """Who signs, and for which service of which region."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    """Of temporary credentials."""
    region: str
    service: str

    def signed(self, headers: Mapping[str, str], body: bytes, *, path: str, now: datetime) -> dict[str, str]:
        """Return all headers of a POST to `path`: those given (lower-cased names, `host` among them, values without
        spaces around them) are signed, with the body and the time."""
        moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        dated = {**headers, "x-amz-date": moment}
        if self.session_token:
            dated["x-amz-security-token"] = self.session_token
        names = ";".join(sorted(dated))
        lines = "".join(f"{name}:{dated[name]}\n" for name in sorted(dated))
        canonical = f"POST\n{path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self._key(moment[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
        credential = f"{self.access_key_id}/{scope}"
        authorization = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return {**dated, "authorization": authorization}

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key
