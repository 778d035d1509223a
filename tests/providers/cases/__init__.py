"""One table per provider file, under the same name."""
