"""Known faults and known delays: how surely the harness detects them, and how it judges clean calls."""
