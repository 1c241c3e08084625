"""Networks: profile, fate of packets, relay, signalling proxy, proof of application."""
