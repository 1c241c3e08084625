"""The product in service: media server, TTS server, agent and page as supervised parts (`earwitness serve`)."""
