"""Engines behind protocols: VAD, STT, LLM, TTS. Streaming, cancellable; a heavy call never blocks the event loop."""
