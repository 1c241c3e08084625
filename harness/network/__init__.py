"""What a network is: profile, fate of packets, loss, log, record. Pure; `harness.link` makes one."""
