// For pages that play the agent their own way: a call by LiveKit's client that hands its tracks to `play(track)`.
const asked = new URLSearchParams(location.search);

async function hear(play, { options, microphone = true } = {}) {
  const room = new LivekitClient.Room(options);
  room.on("trackSubscribed", (track) => {
    if (track.kind === "audio") play(track);
  });
  await room.connect(asked.get("url"), asked.get("token"));
  if (microphone) await room.localParticipant.setMicrophoneEnabled(true);
  return room;
}
