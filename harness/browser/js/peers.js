// Every RTCPeerConnection of a page: gives its remote audio to the ears, and its statistics on request.
// Part of one closure (see injection.py); uses `ears`; gives makePeers().

const SOUND_ENERGY = 1e-5; // full scale squared × seconds: 1 s at -50 dBFS
const SOUND_PACKET_BYTES = 20; // mean; in Opus silence takes a few bytes a packet, speech 60 and more
const SOUND_PACKETS = 10; // the mean is over so many or more

function makePeers() {
  const connections = [];
  const transforming = new WeakSet(); // senders whose packets go through the page: end-to-end encryption
  const packets = new Map(); // inbound track → its last counters, and whether it spoke since the call began

  function watch(connection) {
    connections.push(connection);
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

  // `state` is connectionState, but `offered` for an offer without an answer, and `itself` for a connection to this page.
  function tell(connection) {
    const { connectionState, signalingState } = connection;
    const offered = connectionState === "new" && signalingState !== "stable" && signalingState !== "closed";
    const state = toItself(connection) ? "itself" : offered ? "offered" : connectionState;
    report("peer", { clock: ears.clock, id: connections.indexOf(connection), state });
  }

  // Pages connect to themselves, for their echo canceller or to try the network: that is no call.
  function toItself({ remoteDescription }) {
    const other = named(remoteDescription);
    return other !== null && connections.some(({ localDescription }) => named(localDescription) === other);
  }

  function named(description) {
    return description?.sdp.match(/^a=ice-ufrag:(\S+)/m)?.[1] ?? null;
  }

  async function reports(types) {
    const alive = connections.filter((connection) => connection.connectionState !== "closed");
    const found = await Promise.all(alive.map(async (connection) => {
      const t_perf_ms = performance.now();
      const pc = connections.indexOf(connection);
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
    return connections.flatMap((connection) => connection.getSenders()).some((sender) =>
      sender.track?.kind === "audio" && (transforming.has(sender) || Boolean(sender.transform)));
  }

  return { watch, tell, reports, sounding, transforming, transformsMicrophone };
}

function wrapPeerConnection() {
  const Native = window.RTCPeerConnection;
  if (!Native) return;
  // A Proxy, not a subclass: statics, instanceof and prototype patches (webrtc-adapter) stay as the page expects.
  const Watched = new Proxy(Native, {
    construct(target, args, newTarget) {
      const connection = Reflect.construct(target, args, newTarget === Watched ? target : newTarget);
      peers.watch(connection);
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
  const encoded = window.RTCRtpSender?.prototype.createEncodedStreams;
  if (!encoded) return;
  window.RTCRtpSender.prototype.createEncodedStreams = { createEncodedStreams() {
    peers.transforming.add(this);
    return encoded.call(this);
  } }.createEncodedStreams;
}
