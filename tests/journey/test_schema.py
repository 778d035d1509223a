"""A worker before `smsgw migrate`: it says so, takes nothing, and starts by itself afterwards."""

import json
from pathlib import Path

from smsgw.transports.stores.database.migrate import head
from tests.journey.calling import accepted, reaches
from tests.journey.product import running
from tests.services import free_database


def test_without_its_schema_a_worker_waits(
    redis_url: str, rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    with free_database(postgres_url) as database_url:
        services = {"REDIS_URL": redis_url, "RABBITMQ_URL": rabbitmq_url, "DATABASE_URL": database_url}
        with running(tmp_path, services) as product:
            product.add_provider("Provider-A").wait_alive()
            worker = product.worker().wait_alive()
            gateway = product.gateway().wait_ready()

            tracking_id = accepted(gateway)
            worker.wait_unready(naming="database")
            why = worker.problems()["database"]
            audited = product.run("audit")
            migrated = product.run("migrate")
            worker.wait_ready(10)
            told = reaches(worker, tracking_id, "DELIVERED")
            again = product.run("migrate")

    assert "smsgw migrate" in why
    assert (audited.returncode, len(audited.stderr.splitlines())) == (2, 1)
    assert (migrated.returncode, json.loads(migrated.stdout)["progress"]) == (0, f"schema: (none) -> {head()}")
    assert (again.returncode, len(told["attempts"])) == (0, 1)
