"""What `smsgw bench` measures with: a load generator, a provider that answers at once, a watch on processes."""
