"""One call of the agent: turn taking, the user's speech, the replies."""
