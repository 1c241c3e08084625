// A page's media elements, attached to the document or not: the audio of each stream goes to the ear, as loud as the
// element plays it. Gains follow the element's events, so an edge lies within 8 ms of the true one. With config.files the
// sound of a `src` goes there too (a file, a blob, a MediaSource), as the element's own captureStream() gives it.
// Part of one closure (see injection.py); uses `config`, `ears`, `peers`, `graphs`; gives makePlayers().

// 'timeupdate' fires four times a second while an element plays: it finds what no event tells.
const PLAYER_EVENTS = ["play", "playing", "pause", "ended", "emptied", "loadeddata", "volumechange", "timeupdate"];

function makePlayers() {
  const ways = new Map(); // element with a stream → Map(track → its way to the ear)
  const blocked = new WeakSet(); // elements whose play() the browser refused
  const captured = new WeakMap(); // element with a `src` → what it plays
  const rerouted = new WeakSet(); // elements that sound in a graph of the page, where graphs.js hears them
  let graph = null;

  function tracksOf(element) {
    return (element.srcObject ?? captured.get(element))?.getAudioTracks?.() ?? [];
  }

  function isStream(source) {
    return source instanceof MediaStream;
  }

  // Its tracks come with the element's metadata, and anew with each `src`.
  function watchFile(element) {
    if (!config.files || isStream(element.srcObject)) return;
    if (!captured.has(element)) capture(element);
    watch(element);
  }

  function capture(element) {
    try {
      const stream = element.captureStream();
      for (const name of ["addtrack", "removetrack"]) stream.addEventListener(name, () => follow(element));
      captured.set(element, stream);
    } catch { // of another origin, without CORS
      report("problem", { clock: ears.clock, text: "the page plays a file of another origin, which cannot be heard" });
    }
  }

  // The browser refuses autoplay by attribute without an event.
  function waitsForAClick({ autoplay, played }) {
    return config.quiet && autoplay && played.length === 0 && !navigator.userActivation.hasBeenActive;
  }

  // Why nobody hears this element, or null.
  function silence(element) {
    if (rerouted.has(element)) return "the element plays into the page's AudioContext";
    if (element.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return "the element has no data";
    if (element.ended) return "the element has ended";
    if (element.paused && (blocked.has(element) || waitsForAClick(element))) return "the browser blocked autoplay: nobody had clicked on the page";
    if (element.paused) return "the element is paused";
    if (element.muted) return "the element is muted";
    return element.volume === 0 ? "the element's volume is 0" : null;
  }

  // captureStream() gives nothing while its element stands still; were it waited for the event that tells that it plays, a busy
  // page would lose the first sound.
  function level(element) {
    const silent = isStream(element.srcObject) ? silence(element) !== null : rerouted.has(element) || element.muted;
    return silent ? 0 : element.volume;
  }

  function follow(element) {
    const now = tracksOf(element);
    const known = ways.get(element) ?? new Map();
    if (now.length === 0 && known.size === 0) return;
    if (graph === null) {
      openFor(element);
      return;
    }
    for (const [track, way] of known) {
      if (now.includes(track)) continue;
      way.end();
      known.delete(track);
    }
    for (const track of now) if (!known.has(track)) known.set(track, ears.wayOf(graph, track));
    if (known.size > 0) ways.set(element, known);
    else ways.delete(element);
    for (const way of known.values()) way.set(level(element));
  }

  async function openFor(element) {
    try {
      graph = await ears.open();
    } catch {
      return; // reported by open()
    }
    follow(element);
  }

  function watch(element) {
    // Adding the same listener again does nothing.
    for (const name of PLAYER_EVENTS) element.addEventListener(name, changed);
    follow(element);
  }

  function changed({ currentTarget, type }) {
    if (type === "playing") blocked.delete(currentTarget);
    follow(currentTarget);
  }

  function streamChanged(stream) {
    for (const element of ways.keys()) if (element.srcObject === stream) follow(element);
  }

  // Why remote tracks that carried sound are not heard, as far as known.
  async function unplayed() {
    const { tracks, undecoded } = await peers.sounding();
    const holders = [...ways.keys()].filter((element) => tracksOf(element).some((track) => tracks.includes(track)));
    const reasons = holders.map(silence).filter((reason) => reason !== null);
    if (holders.length === 0) reasons.push("it was never given to an element");
    reasons.push(...graphs.reasons());
    return { reasons: [...new Set(reasons)], undecoded: undecoded.length > 0, encrypts: peers.transformsMicrophone(), graphs: graphs.reasons() };
  }

  function refused(element) {
    blocked.add(element);
  }

  // Chromium gives the graph the sound of a `src` alone; a stream goes on sounding from the element.
  function reroute(element) {
    if (isStream(element.srcObject)) return;
    rerouted.add(element);
    follow(element);
  }

  return { watch, watchFile, streamChanged, unplayed, refused, reroute };
}

function watchElements() {
  if (config.ear !== "played") return;
  const native = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    ...native,
    set(stream) {
      native.set.call(this, stream);
      players.watch(this);
      if (stream) players.watchFile(this);
    },
  });
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = { play() {
    players.watchFile(this);
    const playing = play.call(this);
    playing?.catch(({ name }) => {
      if (name === "NotAllowedError") players.refused(this);
    });
    return playing;
  } }.play;
  if (config.files) watchAutoplay();
  watchReroutes();
  // A stream fires no event for what the page itself adds or removes.
  for (const name of ["addTrack", "removeTrack"]) {
    const change = MediaStream.prototype[name];
    MediaStream.prototype[name] = { [name](track) {
      change.call(this, track);
      players.streamChanged(this);
    } }[name];
  }
}

// An element that plays by its attribute tells of it by events, which do not bubble and can be captured: by the window for
// those in the document, by a shadow root for its own, by the element itself where it is attached nowhere.
function watchAutoplay() {
  function begins({ target }) {
    if (target instanceof HTMLMediaElement) players.watchFile(target);
  }
  function watchUnder(root) {
    for (const name of ["loadstart", "play"]) root.addEventListener(name, begins, true);
  }
  watchUnder(window);
  const { attachShadow, setAttribute } = Element.prototype;
  Element.prototype.attachShadow = { attachShadow(init) {
    const root = attachShadow.call(this, init);
    watchUnder(root);
    return root;
  } }.attachShadow;
  HTMLMediaElement.prototype.setAttribute = { setAttribute(name, value) {
    watchUnder(this);
    setAttribute.call(this, name, value);
  } }.setAttribute;
  const native = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "autoplay");
  Object.defineProperty(HTMLMediaElement.prototype, "autoplay", {
    ...native,
    set(plays) {
      watchUnder(this);
      native.set.call(this, plays);
    },
  });
}

function watchReroutes() {
  const create = window.AudioContext?.prototype.createMediaElementSource;
  if (!create) return;
  AudioContext.prototype.createMediaElementSource = { createMediaElementSource(element) {
    const source = create.call(this, element);
    players.reroute(element);
    return source;
  } }.createMediaElementSource;
  const Native = window.MediaElementAudioSourceNode;
  const Watched = new Proxy(Native, {
    construct(target, args, newTarget) {
      const node = Reflect.construct(target, args, newTarget === Watched ? target : newTarget);
      players.reroute(args[1].mediaElement);
      return node;
    },
  });
  Native.prototype.constructor = Watched;
  Object.defineProperty(window, "MediaElementAudioSourceNode", { value: Watched, writable: true, configurable: true, enumerable: false });
}
