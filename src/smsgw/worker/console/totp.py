"""The second factor: codes of an authenticator app (RFC 6238, 30 s, 6 digits, SHA-1, as all the apps have it)."""

import hmac
import re
from datetime import datetime

import pyotp

STEP_SECONDS = 30
SKEW_STEPS = 1
"""A clock may be half a minute off either way."""


def new_secret() -> str:
    """Return a new secret, Base32, of 160 bits."""
    return pyotp.random_base32()


def is_secret(text: str) -> bool:
    """Whether this is a secret as `new_secret` makes them."""
    return re.fullmatch(r"[A-Z2-7]{32}", text) is not None


def address_of(secret: str, *, name: str, issuer: str) -> str:
    """Return the `otpauth://` address that an app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, None when it is of none that counts now."""
    digits = code.replace(" ", "")
    current = int(now.timestamp()) // STEP_SECONDS
    generator = pyotp.TOTP(secret)
    for step in range(current - SKEW_STEPS, current + SKEW_STEPS + 1):
        if hmac.compare_digest(generator.at(step * STEP_SECONDS).encode(), digits.encode()):
            return step
    return None
