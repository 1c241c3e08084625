"""The agent's outgoing voice, and the voice activity detector."""
