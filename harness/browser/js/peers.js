// Every RTCPeerConnection of a page: its remote audio goes to the ears, its statistics can be asked for.
// Part of one closure (see injection.py); uses `ears`; gives makePeers().

function makePeers() {
  const connections = [];

  function watch(connection) {
    connections.push(connection);
    ears.open().catch(() => {}); // warm before the first track: a context that is still starting loses frames
    connection.addEventListener("track", ({ track }) => {
      if (track.kind === "audio") ears.hear(track).catch(() => {}); // reported by open()
    });
  }

  async function reports(types) {
    const alive = connections.filter((connection) => connection.connectionState !== "closed");
    const found = await Promise.all(alive.map(async (connection) => {
      const t_perf_ms = performance.now();
      const pc = connections.indexOf(connection);
      const wanted = [...(await connection.getStats()).values()].filter(({ type }) => types.includes(type));
      return wanted.map((entry) => ({ ...entry, pc, t_perf_ms }));
    }));
    return found.flat();
  }

  return { watch, reports };
}

function wrapPeerConnection() {
  const Native = window.RTCPeerConnection;
  if (!Native) return;
  // A Proxy and no subclass: statics, instanceof and prototype patches (webrtc-adapter) stay what the page expects.
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
}
