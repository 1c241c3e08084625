"""Earwitness hears what the users of a real-time voice agent hear.

`import harness` is light: LiveKit, Playwright and the engines load where they are used.
"""

__version__ = "0.1.0"
