"""What each role says of itself is true, whatever is sent: schemathesis on the OpenAPI of both, as processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.journey.calling import accepted, reaches
from tests.journey.product import KEY, Product

EXAMPLES = 150
SECONDS = 100
CONFIG = """
continue-on-failure = true
output.sanitization.enabled = false
# A warning says that something was hardly tested, and that fails. The gateway has no webhook for the filter below.
warnings.fail-on = [
  "missing_auth", "missing_test_data", "validation_mismatch", "missing_deserializer", "unsupported_regex",
  "method_not_allowed", "unresolvable_reference", "dictionary_mismatch",
]
generation = {{ max-examples = {examples}, deterministic = true, database = "none" }}
cache.enabled = false

[dictionaries]
keys.values = ["{key}"]
ids.values = ["{tracking_id}"]
names.values = ["Provider-A"]
tokens.values = ["a-token-that-nobody-gave-out"]

[parameters]
"header.API-Key" = {{ dictionary = "keys", probability = 0.9 }}
"path.tracking_id" = {{ dictionary = "ids", probability = 0.5 }}
"path.request_id" = {{ dictionary = "ids", probability = 0.5 }}
"path.token" = {{ dictionary = "tokens", probability = 0.5 }}
"path.provider" = {{ dictionary = "names", probability = 0.8 }}
"body.providers[*]" = {{ dictionary = "names", probability = 0.8 }}

[[operations]]
# Only a provider can sign a report, so all that strangers see of it are refusals.
include-name-regex = "/webhooks/delivery-report/"
warnings = false
# Nor does every provider report with every method.
checks.positive_data_acceptance.expected-statuses = [401, 404, 405]

[checks]
# No schema can say which providers there are, nor which Idempotency-Key has been used for what.
positive_data_acceptance.expected-statuses = ["2xx", 401, 404, 409, 422, 429]
"""


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_nothing_but_documented_answers(product: Product, role: str, tmp_path: Path) -> None:
    tracking_id = accepted(product.named("gateway"))
    reaches(product.named("worker"), tracking_id, "DELIVERED")
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(key=KEY, tracking_id=tracking_id, examples=EXAMPLES))

    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", "--no-color"]
    done = subprocess.run(
        [*command, f"{product.named(role).url}/openapi.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
