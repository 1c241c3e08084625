"""What is measured of replies, turns and calls: one module a family of metrics."""
