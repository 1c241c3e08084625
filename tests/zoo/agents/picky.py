"""Subscribes by hand, and only to a track whose source is a microphone, of a participant that is no agent."""

from livekit import rtc
from stranger import Stranger, run_stranger


class Picky(Stranger):
    async def join(self) -> None:
        self.room.on("track_published", self._published)
        await self.connect(auto_subscribe=False)
        for participant in self.room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._published(publication, participant)
        await self.mouth.publish(self.room)

    def _published(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        person = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
        if person and publication.source == rtc.TrackSource.SOURCE_MICROPHONE:
            publication.set_subscribed(True)


if __name__ == "__main__":
    run_stranger(Picky)
