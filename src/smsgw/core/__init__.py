"""The pure core: what every room may know and what knows no room. No I/O, no clock, no dice, no logger."""
