"""A whole product with a Redis of its own, for what strangers and clients may try on it."""

from collections.abc import Iterator

import pytest

from tests.journey.conftest import services as services
from tests.journey.product import Product, running
from tests.servers import OwnRedis


@pytest.fixture(scope="module")
def product(
    services: dict[str, str], _module_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """At its end no process may have logged a bug, a number, a text or a key."""
    with running(tmp_path_factory.mktemp("security"), {**services, "REDIS_URL": _module_redis.url}) as product:
        # Nobody listens there: a role that believed these would deliver nothing.
        product.environ |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
        product.clients["a-key-that-is-off"] = {"name": "off", "is_active": False, "daily_quota": None, "id": "off"}
        product.add_provider("Provider-A", priority=10)
        product.configure("Local-SMS", priority=1000)
        yield product.start()
