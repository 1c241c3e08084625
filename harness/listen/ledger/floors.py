"""What clean speech leaves of likeness over 40 ms: beyond these, sound is not the published sound.

Set beyond the extremes of clean windows of Opus (libsndfile's, no network), of the two measures' forerunners (correlation in
200 to 3,400 Hz, 44 mel bands). Lowest correlation of 10,000 windows, and largest distance of the mel shapes in dB:

    voice                windows   24 kbit/s      64 kbit/s
    synthetic (espeak)     3,500   0.52   2.6     0.49   1.4
    human, 8 kHz          16,400   0.59   1.6     0.62   1.6
    human, 48 kHz          1,160   0.46   1.3     0.93   0.6
    neural (Piper)         1,590   0.38   1.5     0.95   1.2

That is 22,600 windows a rate: enough for a rate of false alarms of about 5e-5 a window, not for 1e-5. Rates below 24 kbit/s
were not learnt; there the floor of the correlation falls with the reply's own (likeness.compare).
"""

from __future__ import annotations

WAVE = 0.3
SHAPE_DB = 3.5
LEVEL_DB = 12.0  # a step of less is a change of level, which other metrics measure
QUIET_DB = 25.0  # below the reply's loud frames: what is quieter is not judged
