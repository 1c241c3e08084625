"""The metrics of replies, turns and calls: one module a family."""
