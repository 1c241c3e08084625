"""Ring 0: the TTS engine's own sound, before any network, against its golden baseline."""
