"""Reports: everything a person reads of a run, rendered from its summary. Templates compute nothing."""
