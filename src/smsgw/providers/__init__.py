"""One file per provider kind; base.py does the awaiting."""
