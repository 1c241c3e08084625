"""What a run needs on this machine: media server, Chromium, page library; where they are, or how they get here."""
