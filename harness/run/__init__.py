"""A run from plan to report: cases, sessions side by side, sweeps, captures heard in a process of their own, and heard again."""
