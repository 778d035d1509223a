"""The vendors' own SDKs against our simulator, and our adapters against it: round trips in both directions."""
