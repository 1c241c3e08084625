"""A neural voice: phonemes → samples with the time of each phoneme. The caller of a case and the agent may both speak with it."""
