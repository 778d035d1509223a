"""A simulated SMSC: carriers that are asked over SMPP 3.4. It has a listener of its own; the
system_id of a bind names the carrier."""
