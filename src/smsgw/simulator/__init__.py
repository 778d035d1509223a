"""A provider to practise with: the other side of `provider_a`, misbehaving on demand."""
