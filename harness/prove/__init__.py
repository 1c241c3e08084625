"""Known faults and known delays: what the ears hear of them, and what they make of clean calls."""
