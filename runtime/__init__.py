"""The reference agent: a light duplex voice agent on LiveKit, one process for many rooms, no key, no cloud, no GPU."""
