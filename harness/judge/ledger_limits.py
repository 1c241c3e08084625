"""What the ledger would be judged by: the limits that it reports beside the gates, and that judge nothing yet.

They stand here, and not in the table of gates, until they are shown free of false alarms on 200 clean replies of both lanes.
An earlier state of the ledger raised none in 152 ledgers of 85 replies, and then one in 3 replies of an overloaded host.
"""

from __future__ import annotations

from harness.judge.table import Gate

LEDGER: tuple[Gate, ...] = (
    Gate("lost_sound", "longest piece of a reply that is heard nowhere, also where both sides were joined",
         "lost_longest_ms", "1", "max", "<", 17, "ms", False, also=("lost_longest_ear_ms",), if_absent="optional"),
    Gate("unpublished_sound", "longest sound in a reply that was not published",
         "foreign_longest_ms", "1", "max", "<", 35, "ms", False, also=("foreign_longest_ear_ms",), if_absent="optional"),
    Gate("out_of_order", "pieces of a reply that are heard out of their order",
         "moved_count", "1", "sum", "==", 0, "", False, also=("moved_count_ear",), if_absent="optional"),
    Gate("said_again", "sound of a reply that is heard again",
         "repeated_ms", "1", "max", "<", 35, "ms", False, also=("repeated_ear_ms",), if_absent="optional"),
    Gate("heard_otherwise", "longest sound that one listener hears and the other does not, of an agent that gives no PCM",
         "foreign_longest_between_ms", "2", "max", "<", 300, "ms", False, also=("lost_longest_between_ms",),
         if_absent="optional"),
)  # fmt: skip
