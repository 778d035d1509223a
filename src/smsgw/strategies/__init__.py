"""A traffic profile replayed against models of providers by the worker's rules, without a clock."""
