"""The worker on memory doubles."""
