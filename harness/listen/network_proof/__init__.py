"""Whether the network was as its profile says, from the relay's log alone."""
