"""The worker: from the broker into the database, through a provider, to a final state."""
