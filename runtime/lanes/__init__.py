"""Two lanes to one engine: the fast one is the reply, the slow one tells what was said and how, when nobody waits for it."""
