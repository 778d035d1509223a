"""How long the model test looks: seconds in CI; HYPOTHESIS_PROFILE=long looks at new examples for an hour or so."""

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
_CI = settings(max_examples=400, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=_QUIET)
_LONG = settings(max_examples=20_000, stateful_step_count=80, deadline=None, suppress_health_check=_QUIET)

SETTINGS = _LONG if os.environ.get("HYPOTHESIS_PROFILE") == "long" else _CI
