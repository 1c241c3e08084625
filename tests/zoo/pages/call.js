// For the strange pages: a call by LiveKit's client that publishes a microphone and plays the agent.
const query = new URLSearchParams(location.search);

function attachTo(room) {
  room.on("trackSubscribed", (track) => {
    if (track.kind === "audio") document.body.append(track.attach());
  });
}

// `microphone`: a track that the page already has; without one LiveKit asks. `token`: the page's own.
async function call({ microphone, token = query.get("token") } = {}) {
  const room = new LivekitClient.Room();
  attachTo(room);
  await room.connect(query.get("url"), token);
  if (microphone) await room.localParticipant.publishTrack(microphone, { source: "microphone" });
  else await room.localParticipant.setMicrophoneEnabled(true);
  return room;
}
