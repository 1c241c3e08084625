"""What an agent tells of a call by OpenTelemetry: a receiver on loopback, and which call each span belongs to.

`wanted` says whether anything listens, `receiver` speaks HTTP, `messages` reads one body, `inbox` keeps what came and hands a
call its own spans.
"""
