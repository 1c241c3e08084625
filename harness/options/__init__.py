"""What people write about a run besides its cases: limits, invitations, the agent's command, `earwitness.toml`."""
