"""The queue between gateway and worker."""
