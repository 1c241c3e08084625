"""The history: a database of runs, their measurements and the baselines made of them.

`database` opens it (schema version, migrations, locks), `tables` says what is in it, `recording` writes a run attempt by
attempt, `ingest` takes finished run folders, `reading` gives runs back as plain records. `environment` says what two runs
must share to be compared, `baselines` names sets of runs, `changes` gives a report what is new.
"""
