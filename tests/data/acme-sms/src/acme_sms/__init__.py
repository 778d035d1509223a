"""A provider for smsgw from another package: ADDING_A_PROVIDER.md writes it."""
