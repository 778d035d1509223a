"""The nemesis: the whole product under load, broken by a schedule that its seed decides, healed, and audited.

`make chaos` or `python -m tests.chaos --seed 7 --seconds 60` runs it by hand, test_short_run.py does in CI.

schedule.py (pure) says what breaks when; stage.py starts gateways, workers, providers, services and the proxies between
them; nemesis.py carries the schedule out; load.py calls; run.py leads through load, heal, quiet and the judgement of
tests/invariants and `smsgw audit`; tally.py, page.py and results.py (pure) say what came of it.
"""
