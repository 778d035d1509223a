"""`smsgw mock-provider`: a provider to practise with."""
