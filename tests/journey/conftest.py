"""Services for whole products, and their logs beside a failing test."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from smsgw.transports.stores.database.migrate import migrate
from tests.journey.product import Product
from tests.services import free_database


@pytest.fixture(scope="module")
def services(redis_url: str, rabbitmq_url: str, postgres_url: str) -> Iterator[dict[str, str]]:
    """The shared services as settings, with a database of this module that has its schema."""
    with free_database(postgres_url) as database_url:
        migrate(database_url, wait_seconds=10, say=lambda _line: None)
        yield {"REDIS_URL": redis_url, "RABBITMQ_URL": rabbitmq_url, "DATABASE_URL": database_url}


@pytest.fixture(scope="module", params=["rabbitmq", "redis"])
def services_of_each_queue(request: pytest.FixtureRequest, services: dict[str, str]) -> dict[str, str]:
    """The shared services with the queue on RabbitMQ, and again without any RabbitMQ."""
    if request.param == "rabbitmq":
        return services
    without = {name: url for name, url in services.items() if name != "RABBITMQ_URL"}
    return {**without, "QUEUE_URL": services["REDIS_URL"]}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for product in item.funcargs.values():
            if isinstance(product, Product):
                report.sections.append(("logs of the product", product.log_tails()))
    return report
