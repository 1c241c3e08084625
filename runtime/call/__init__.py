"""One call of the agent's: who speaks when, what is heard, what is said."""
