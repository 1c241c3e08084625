"""Double entry for sound: what was published against what is heard, every sample on one line."""
