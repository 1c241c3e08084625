"""`earwitness serve-tts`: text to speech over HTTP, streamed while it is made, in a supervised worker process."""
