// Every RTCPeerConnection of a page: gives its remote audio to the ears, and its statistics on request.
// Part of one closure (see injection.py); uses `ears`; gives makePeers().

const SOUND_ENERGY = 1e-5; // full scale squared × seconds: 1 s at -50 dBFS
const SOUND_PACKET_BYTES = 20; // mean; in Opus silence takes a few bytes a packet, speech 60 and more
const SOUND_PACKETS = 10; // the mean is over so many or more

function makePeers() {
  const open = new Map(); // connection → its number, and the window that made it; a closed one is the page's to forget
  const loops = new WeakSet(); // connections to this page
  const transforming = new WeakSet(); // senders whose packets go through the page: end-to-end encryption
  const packets = new Map(); // inbound track → its last counters, and whether it spoke since the call began
  let made = 0;

  function watch(connection, owner) {
    open.set(connection, { id: made++, owner });
    connection.addEventListener("connectionstatechange", () => {
      tell(connection);
      if (connection.connectionState !== "connected" || toItself(connection)) return;
      report("joined", { clock: ears.clock, at: performance.now() });
    });
    connection.addEventListener("signalingstatechange", () => tell(connection));
    ears.open().catch(() => {}); // warm before the first track: a context that is still starting loses frames
    connection.addEventListener("track", ({ track }) => {
      if (track.kind === "audio") ears.receive(track).catch(() => {}); // reported by open()
    });
  }

  // `now` is connectionState. Told is `offered` for an offer without an answer, `itself` for a connection to this page, and
  // `new` for one that was never used, closed or not.
  function tell(connection, now = connection.connectionState) {
    if (!open.has(connection)) return;
    const { signalingState, localDescription, remoteDescription } = connection;
    const offered = now === "new" && signalingState !== "stable" && signalingState !== "closed";
    const unused = localDescription === null && remoteDescription === null;
    const state = toItself(connection) ? "itself" : offered ? "offered" : unused ? "new" : now;
    report("peer", { clock: ears.clock, id: open.get(connection).id, state });
    if (now === "closed") open.delete(connection);
  }

  // A document that goes takes its connections with it, without an event.
  function left(owner) {
    for (const [connection, { owner: its }] of open) if (its === owner) tell(connection, "closed");
  }

  // Pages connect to themselves, for their echo canceller or to try the network: that is no call.
  function toItself(connection) {
    const other = named(connection.remoteDescription);
    const found = other !== null && [...open.keys()].some(({ localDescription }) => named(localDescription) === other);
    if (found) loops.add(connection);
    return loops.has(connection);
  }

  function named(description) {
    return description?.sdp.match(/^a=ice-ufrag:(\S+)/m)?.[1] ?? null;
  }

  async function reports(types) {
    const alive = [...open].filter(([{ connectionState }]) => connectionState !== "closed");
    const found = await Promise.all(alive.map(async ([connection, { id: pc }]) => {
      const t_perf_ms = performance.now();
      const wanted = [...(await connection.getStats()).values()].filter(({ type }) => types.includes(type));
      return wanted.map((entry) => ({ ...entry, pc, t_perf_ms }));
    }));
    const all = found.flat();
    for (const entry of all) if (entry.type === "inbound-rtp" && entry.kind === "audio") weigh(entry);
    return all;
  }

  // A remote track that is muted or not played has no level; the size of its packets tells speech from silence.
  function weigh({ trackIdentifier, bytesReceived, packetsReceived }) {
    const last = packets.get(trackIdentifier) ?? { bytes: 0, count: 0, spoke: false };
    const count = packetsReceived - last.count;
    if (count < SOUND_PACKETS) return;
    const spoke = last.spoke || bytesReceived - last.bytes > SOUND_PACKET_BYTES * count;
    packets.set(trackIdentifier, { bytes: bytesReceived, count: packetsReceived, spoke });
  }

  // Remote tracks that carried sound, and those among them that were never decoded.
  async function sounding() {
    const inbound = (await reports(["inbound-rtp"])).filter(({ kind }) => kind === "audio");
    const known = new Map([...ears.received].map((track) => [track.id, track]));
    const loud = inbound.filter(({ trackIdentifier, totalAudioEnergy }) =>
      totalAudioEnergy > SOUND_ENERGY || packets.get(trackIdentifier)?.spoke);
    const undecoded = loud.filter(({ totalSamplesReceived }) => !totalSamplesReceived);
    const tracks = (entries) => entries.map(({ trackIdentifier }) => known.get(trackIdentifier)).filter(Boolean);
    return { tracks: tracks(loud), undecoded: tracks(undecoded) };
  }

  // Whether the page changes the microphone's packets before it sends them.
  function transformsMicrophone() {
    return [...open.keys()].flatMap((connection) => connection.getSenders()).some((sender) =>
      sender.track?.kind === "audio" && (transforming.has(sender) || Boolean(sender.transform)));
  }

  return { watch, tell, left, reports, sounding, transforming, transformsMicrophone };
}

function wrapPeerConnection() {
  const Native = window.RTCPeerConnection;
  if (!Native) return;
  // A Proxy, not a subclass: statics, instanceof and prototype patches (webrtc-adapter) stay as the page expects.
  const Watched = new Proxy(Native, {
    construct(target, args, newTarget) {
      const connection = Reflect.construct(target, args, newTarget === Watched ? target : newTarget);
      peers.watch(connection, window);
      return connection;
    },
  });
  Native.prototype.constructor = Watched;
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection"]) {
    Object.defineProperty(window, name, { value: Watched, writable: true, configurable: true, enumerable: false });
  }
  // A page that closes its own connection fires no event.
  const close = Native.prototype.close;
  Native.prototype.close = { close() {
    close.call(this);
    peers.tell(this);
  } }.close;
  window.addEventListener("pagehide", () => peers.left(window));
  const encoded = window.RTCRtpSender?.prototype.createEncodedStreams;
  if (!encoded) return;
  window.RTCRtpSender.prototype.createEncodedStreams = { createEncodedStreams() {
    peers.transforming.add(this);
    return encoded.call(this);
  } }.createEncodedStreams;
}
