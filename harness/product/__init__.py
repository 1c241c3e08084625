"""The product in service: media server, agent and page as supervised parts (`earwitness serve`)."""
