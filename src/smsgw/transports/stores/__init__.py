"""The store that owns a message from the worker's commit on."""
