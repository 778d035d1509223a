"""Adapters: one file per vendor, found by its name; `base.py` does the awaiting for all of them."""
