"""A night: many runs by one plan, resumable after a kill, with one verdict over all.

`plan_file` reads the plan, `units` lays it out attempt by attempt, `folder` and `ledger` keep the progress, `environment`
says what must not change within a night, `part_run` plays one part as a run, `steps` does the proof and the calibration,
`night` goes through all parts, `joins` checks a capture's trace ids, `retention` frees disk.
"""
