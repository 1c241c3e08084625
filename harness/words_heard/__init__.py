"""What a recogniser understands of the agent, offline and after the call: the words at the ear and as they were published."""
