"""The live half: one attempt, and many of them. It records; it computes no metric."""
