"""From Measurements to a Verdict: gates, statistics, fixes. No I/O; thresholds live in `gates.TABLE` alone."""
