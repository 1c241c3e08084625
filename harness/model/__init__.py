"""The records that pass between rooms. No I/O beyond reading and writing a record, no arithmetic on audio."""
