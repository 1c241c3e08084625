"""Which metrics are compared between runs, by which statistic, and from which difference on they count.

Lower is better in every row (`absolute`: the further from 0, the worse). `floor` is a difference that the measurement
cannot resolve (docs/why/calibration.md, docs/why/proof.md): up to it nothing is called better or worse.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.changes import Statistic

MEDIAN_AND_P95: tuple[Statistic, ...] = ("median", "P95")
PRIMARY = {"browser": "user_kpi_raw_ms", "bot": "eot_to_first_audio_ms"}


@dataclass(frozen=True)
class Compared:
    """One metric of a turn."""

    metric: str
    title: str
    unit: str
    statistics: tuple[Statistic, ...]
    floor: float
    absolute: bool = False


ROWS: tuple[Compared, ...] = (
    Compared("user_kpi_raw_ms", "USER_KPI: user's last word → agent audible at the ear", "ms", MEDIAN_AND_P95, 5),
    Compared("eot_to_first_audio_ms", "end of turn → first audio at the second listener", "ms", MEDIAN_AND_P95, 5),
    Compared("effective_hangover_ms", "end of turn → the agent decided that it was one", "ms", ("median",), 5),
    Compared("fast_ttft_ms", "transcript → first token", "ms", ("median",), 5),
    Compared("tts_first_to_publish_ms", "first TTS PCM → first frame published", "ms", ("median",), 5),
    Compared("way_besides_buffer_ms", "first frame published → heard, without the jitter buffer", "ms", ("median",), 5),
    Compared("jitter_buffer_delay_ms", "jitter buffer", "ms", ("median",), 10),
    Compared("barge_in_to_silence_ms", "interruption → silence at the ear", "ms", ("median",), 10),
    Compared("max_gap_ms", "longest hole in a reply", "ms", ("mean",), 10),
    Compared("dropout_count", "audible dropouts in a reply", "", ("mean",), 0),
    Compared("dropout_count_ear", "audible dropouts at the ear", "", ("mean",), 0),
    Compared("click_count", "clicks in a reply", "", ("mean",), 0),
    Compared("click_count_ear", "clicks at the ear", "", ("mean",), 0),
    Compared("concealed_ratio", "concealed samples", "share", ("mean",), 0.001),
    # fingerprints (H-153)
    Compared("mel_distance_db", "mel distance of a reply to what was published", "dB", ("median",), 0.5),
    Compared("mel_distance_ear_db", "mel distance at the ear to what was published", "dB", ("median",), 0.5),
    Compared("speed_ppm", "speed of a reply", "ppm", ("median",), 250, absolute=True),
    Compared("pitch_shift_cents", "pitch of a reply", "cents", ("median",), 5, absolute=True),
    Compared("hf_change_db", "4 to 8 kHz of a reply", "dB", ("median",), 0.5, absolute=True),
    Compared("band_lost_hz", "band that does not arrive", "Hz", ("median",), 250),
    Compared("level_change_db", "level of a reply", "dB", ("median",), 0.3, absolute=True),
)
BY_METRIC = {row.metric: row for row in ROWS}
METRICS = tuple(BY_METRIC)
