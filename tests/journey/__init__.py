"""The whole product as processes on real services."""
