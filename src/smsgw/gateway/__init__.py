"""The gateway: from an HTTP request to a confirmed envelope on the broker."""
