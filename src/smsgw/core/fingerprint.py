"""Fingerprints: of the configuration (spec section 2) and of a request (spec section 10)."""

import hashlib


def config_fingerprint(raw: str) -> str:
    """Return the SHA-256 hex of a raw JSON setting, exactly as it was given."""
    return hashlib.sha256(raw.encode()).hexdigest()


def request_fingerprint(method: str, path: str, canonical_body: bytes) -> str:
    """Return what makes two requests the same request, whatever the white space and order of their JSON."""
    return hashlib.sha256(b"%b %b\n%b" % (method.encode(), path.encode(), canonical_body)).hexdigest()


def idempotency_name(client_key: str, idempotency_key: str) -> str:
    """Return the name of a client's idempotency key: digests only, so no two clients' keys can collide."""
    return f"{client_key}:{hashlib.sha256(idempotency_key.encode()).hexdigest()}"


def idempotency_hash(client_key: str, idempotency_key: str) -> str:
    """Return the digest that the worker keeps unique: SHA-256 of client_key and key, length-delimited."""
    return hashlib.sha256(f"{len(client_key)}:{client_key}:{idempotency_key}".encode()).hexdigest()
