"""Every provider file against its table of cases, and all of them against the same storm."""
