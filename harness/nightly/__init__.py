"""A night: many runs after one plan, resumable after a kill, with one verdict over all of them.

`plan_file` reads what is to be done, `units` lays it out attempt by attempt, `folder` and `ledger` keep what is done,
`environment` says what must not change within a night, `part_run` plays one part as a run of its own, `steps` the proof and
the calibration, `night` goes through all of it, `joins` looks into a capture, `retention` gives disk back.
"""
