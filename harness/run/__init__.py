"""A run from plan to report: cases, sessions side by side, sweeps, captures measured in their own process, and rejudged."""
