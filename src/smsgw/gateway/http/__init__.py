"""The gateway as HTTP sees it."""
