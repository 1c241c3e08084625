// getUserMedia of any page: asked, held, answered. Scheduled: the voice's stream. Device: Chromium's own microphone.
// Part of one closure (see injection.py); uses `config`, `report`, `ears`.

function shimMicrophone() {
  if (!window.MediaDevices) return; // not a secure context: the page itself has no microphone either
  const native = MediaDevices.prototype.getUserMedia;

  async function scheduled(devices, constraints) {
    const stream = await ears.microphoneStream();
    if (constraints.video) {
      const picture = await native.call(devices, { ...constraints, audio: false });
      for (const track of picture.getVideoTracks()) stream.addTrack(track);
    }
    return stream;
  }

  async function device(devices, constraints) {
    const stream = await native.call(devices, constraints);
    // The page's own track and no clone: a clone would go on playing after the page has stopped its microphone.
    await ears.hearMicrophone(stream);
    return stream;
  }

  async function getUserMedia(constraints) {
    if (!constraints?.audio) return native.call(this, constraints);
    ears.open().catch(() => {}); // the clock starts to run while the microphone is held
    // With the device microphone this is answered only at the release.
    await report("microphone", { clock: ears.clock, constraints: JSON.stringify(constraints.audio) });
    return config.mic === "scheduled" ? scheduled(this, constraints) : device(this, constraints);
  }

  Object.defineProperty(MediaDevices.prototype, "getUserMedia", {
    value: getUserMedia, writable: true, configurable: true, enumerable: true,
  });
}
