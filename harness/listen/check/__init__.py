"""One recording of a conversation, heard without anything beside it: who is on which channel, and what went on."""
