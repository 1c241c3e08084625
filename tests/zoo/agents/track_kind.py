"""Its track is not the usual one: `track_kind.py KIND`, one of RATES_HZ, or stereo, dtx, screen, unnamed, starts_and_stops."""

import numpy as np
from livekit import rtc
from scipy.signal import resample_poly
from stranger import RATE_HZ, Mouth, Stranger, run_stranger, voice

RATES_HZ = {"8khz": 8_000, "22khz": 22_050, "24khz": 24_000, "44khz": 44_100}


class TrackKind(Stranger):
    def make_mouth(self) -> Mouth:
        kind = self.arguments[0]
        steady = kind not in ("dtx", "starts_and_stops")
        return Mouth(RATES_HZ.get(kind, RATE_HZ), 2 if kind == "stereo" else 1, steady=steady)

    async def join(self) -> None:
        await self.connect()
        kind = self.arguments[0]
        source = {"screen": rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO, "unnamed": rtc.TrackSource.SOURCE_UNKNOWN}
        usual = rtc.TrackSource.SOURCE_MICROPHONE
        await self.mouth.publish(self.room, kind, source=source.get(kind, usual), dtx=kind == "dtx")

    async def answer(self) -> None:
        sound = voice("answer").astype(np.float64)
        if self.mouth.rate_hz != RATE_HZ:
            sound = resample_poly(sound, self.mouth.rate_hz // 150, RATE_HZ // 150)
        await self.mouth.say(sound.astype(np.int16))


if __name__ == "__main__":
    run_stranger(TrackKind)
