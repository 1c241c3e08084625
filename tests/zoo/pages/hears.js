// For pages that play the agent in a way of their own: LiveKit's client, and a call whose tracks go to `play(track)`.
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
