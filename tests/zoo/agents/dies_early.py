"""Ends with an error before it joins, as one without its key does."""

import sys

print("KeyError: 'OPENAI_API_KEY'", file=sys.stderr)
sys.exit(3)
