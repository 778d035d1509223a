"""Gateway and worker as processes on real services, for what strangers may try on them."""

from collections.abc import Iterator

import pytest

from tests.journey.conftest import services as services
from tests.journey.product import KEY, Product, running


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A whole product; at its end no process may have logged a bug, a number, a text or a key."""
    with running(tmp_path_factory.mktemp("hostile"), services) as product:
        product.add_provider("Provider-A", priority=10)
        product.configure("Local-SMS", priority=1000)
        product.clients[KEY]["scopes"] = ["send", "ops"]
        yield product.start()
