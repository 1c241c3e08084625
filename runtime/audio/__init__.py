"""The agent's voice on its way out, and the voice activity detector."""
