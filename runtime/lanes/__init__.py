"""Two lanes to one engine: the fast lane makes the reply, the slow lane describes the utterance when no reply waits."""
