"""`earwitness serve-engines`: the embedded engines behind the interfaces of OpenAI's API, on loopback."""
