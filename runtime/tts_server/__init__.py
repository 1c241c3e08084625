"""`earwitness serve-tts`: text to speech over HTTP, streamed while it is made, in a worker process that is supervised."""
