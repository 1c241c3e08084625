// Holds a page's getUserMedia until the driver answers. Scheduled: gives the voice's stream. Device: Chromium's own
// microphone or, lent ahead of the release, silence until then and that microphone after it.
// Part of one closure (see injection.py); uses `config`, `report`, `ears`.

function shimMicrophone() {
  if (!window.MediaDevices) return; // not a secure context: the page itself has no microphone either
  const native = MediaDevices.prototype.getUserMedia;

  async function withPicture(devices, constraints, stream) {
    if (!constraints.video) return stream;
    const picture = await native.call(devices, { ...constraints, audio: false });
    for (const track of picture.getVideoTracks()) stream.addTrack(track);
    return stream;
  }

  // A Web Audio track has no device; pages compare it with the one that they asked for.
  async function asDevice(devices, constraints, stream) {
    const inputs = (await devices.enumerateDevices()).filter(({ kind }) => kind === "audioinput");
    const asked = [constraints.audio.deviceId?.exact ?? constraints.audio.deviceId?.ideal ?? constraints.audio.deviceId].flat();
    const device = inputs.find(({ deviceId }) => asked.includes(deviceId)) ?? inputs[0];
    for (const track of device ? stream.getAudioTracks() : []) {
      const settings = () => ({
        ...MediaStreamTrack.prototype.getSettings.call(track), deviceId: device.deviceId, groupId: device.groupId,
      });
      Object.defineProperty(track, "getSettings", { value: settings, configurable: true });
      Object.defineProperty(track, "label", { value: device.label, configurable: true });
    }
    return stream;
  }

  // stop() fires no event.
  function whenStopped(track, then) {
    const stop = () => {
      MediaStreamTrack.prototype.stop.call(track);
      then();
    };
    Object.defineProperty(track, "stop", { value: stop, configurable: true, writable: true });
  }

  // Chromium lets a page play while it has a microphone open, so one is open behind the voice, unheard.
  async function withOpenMicrophone(devices, give) {
    const behind = config.quiet ? await native.call(devices, { audio: true }) : null;
    ears.wake();
    const stream = await give();
    const stop = () => behind?.getTracks().forEach((track) => track.stop());
    for (const track of behind ? stream.getAudioTracks() : []) whenStopped(track, stop);
    return stream;
  }

  async function scheduled(devices, constraints) {
    return withPicture(devices, constraints, await asDevice(devices, constraints, await withOpenMicrophone(devices, ears.microphoneStream)));
  }

  async function own(devices, constraints) {
    const stream = await native.call(devices, constraints);
    ears.wake();
    // The page's own track, no clone: a clone would play on after the page has stopped its microphone.
    const changed = await ears.hearMicrophone(stream);
    for (const track of stream.getAudioTracks()) whenStopped(track, changed);
    return stream;
  }

  async function lent(devices, constraints) {
    const { context, keepAlive } = await ears.open();
    const gate = context.createMediaStreamDestination();
    keepAlive.connect(gate);
    const [track] = gate.stream.getAudioTracks();
    report("lent", { clock: ears.clock }).then(async () => {
      if (track.readyState !== "live") return;
      const stream = await native.call(devices, { ...constraints, video: false });
      const stop = () => stream.getTracks().forEach((behind) => behind.stop());
      if (track.readyState !== "live") return stop(); // the page stopped it while the browser opened its device
      const source = context.createMediaStreamSource(stream);
      source.connect(gate);
      const changed = await ears.hearMicrophone(stream, source);
      const end = () => {
        stop();
        changed();
      };
      if (track.readyState === "live") whenStopped(track, end);
      else end();
    }).catch((error) => report("problem", { clock: ears.clock, text: `the microphone did not open: ${error}` }));
    return withPicture(devices, constraints, await asDevice(devices, constraints, new MediaStream([track])));
  }

  async function getUserMedia(constraints) {
    if (!constraints?.audio) return native.call(this, constraints);
    ears.open().catch(() => {}); // the clock starts to run while the microphone is held
    // The driver answers for a device microphone only when it is released or lent.
    const answer = await report("microphone", { clock: ears.clock, constraints: JSON.stringify(constraints.audio) });
    if (config.mic === "scheduled") return scheduled(this, constraints);
    return answer === "lent" ? lent(this, constraints) : own(this, constraints);
  }

  Object.defineProperty(MediaDevices.prototype, "getUserMedia", {
    value: getUserMedia, writable: true, configurable: true, enumerable: true,
  });
}
