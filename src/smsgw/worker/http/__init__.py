"""The worker as HTTP sees it."""
