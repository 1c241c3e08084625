// The one AudioContext of a page: microphone and ear on one 48 kHz frame counter, the voice, the webm recorder.
// The ear is the sum of what the page plays: players.js is summed here, graphs.js in Python. With config.ear "received"
// it is the sum of all remote tracks.
// Part of one closure (see injection.py); uses `config`, `report`, `bytes`; gives makeEars().

const RATE_HZ = 48000;

function makeEars() {
  // Taken before the page's own scripts can replace them.
  const { AudioContext, AudioWorkletNode, MediaRecorder, MediaStream } = window;
  const clock = crypto.randomUUID?.() ?? `${Math.random()}`; // names this document's frame counter
  const received = new Set(); // remote tracks; 'track' fires again for one that is subscribed anew
  const sources = new Map(); // track → its one node: two nodes lie up to 384 samples apart: a comb filter
  const besides = []; // held, or they are collected and fall silent
  const starts = new Map(); // utterance → resolves with its first frame
  let microphones = []; // of the device; a page may open two (a level meter, a lobby)
  let listened = null;
  let utterances = 0;
  let opening = null;
  let running = null; // the context, once it is built
  let recorder = null;

  async function build() {
    const context = running = new AudioContext({ sampleRate: RATE_HZ });
    if (!context.audioWorklet) throw new Error("no AudioWorklet: the page is not a secure context (https or localhost)");
    const module = URL.createObjectURL(new Blob([config.worklets], { type: "application/javascript" }));
    await context.audioWorklet.addModule(module);
    URL.revokeObjectURL(module);
    const mono = { channelCount: 1, channelCountMode: "explicit" };
    const tap = new AudioWorkletNode(context, "earwitness-tap", { numberOfInputs: 3, outputChannelCount: [1], ...mono });
    const voice = new AudioWorkletNode(context, "earwitness-voice", { numberOfInputs: 0, outputChannelCount: [1] });
    const microphone = context.createMediaStreamDestination();
    const agent = context.createGain(); // what the page plays is summed here: the mix a person hears
    const recording = context.createMediaStreamDestination();

    tap.port.onmessage = ({ data }) => deliver(data);
    voice.port.onmessage = ({ data: { id, start } }) => {
      starts.get(id)(start);
      starts.delete(id);
    };
    voice.connect(tap, 0, 0);
    voice.connect(microphone);
    agent.connect(tap, 0, 1);
    agent.connect(recording);
    const beside = context.createGain(); // what is played past the tap
    beside.connect(recording);
    if (config.echo) { // a loudspeaker in front of the microphone; past the tap, which records what was said
      const way = context.createDelay(1);
      way.delayTime.value = config.echo.delayS;
      const loudspeaker = context.createGain();
      loudspeaker.gain.value = config.echo.gain;
      agent.connect(way).connect(loudspeaker).connect(microphone);
      beside.connect(way);
    }
    // Chromium pulls only nodes that reach the destination; the gain of zero keeps this one inaudible.
    const nothing = context.createGain();
    nothing.gain.value = 0;
    tap.connect(nothing).connect(context.destination);
    // A destination stream whose sources have all stopped sends nothing, and the far end conceals the hole.
    const keepAlive = context.createConstantSource();
    keepAlive.offset.value = 0;
    keepAlive.connect(microphone);
    keepAlive.connect(recording);
    keepAlive.start();
    // Chromium suspends a context after 30 s of zeros; its frames then skip 10 ms against the host. So -120 dBFS, past every
    // tap and stream: nobody hears it and no recording holds it.
    const awake = context.createConstantSource();
    awake.offset.value = 1e-6;
    awake.connect(context.destination);
    awake.start();

    context.addEventListener("statechange", () => {
      if (context.state === "running") return;
      report("problem", { clock, text: `the tap's AudioContext became ${context.state}` });
      if (context.state !== "closed") context.resume();
    });
    await context.resume();
    return { context, tap, voice, microphone, agent, beside, recording, keepAlive, awake };
  }

  function open() {
    opening ??= build().catch((error) => {
      report("broken", { clock, text: `${error}` });
      throw error;
    });
    return opening;
  }

  function deliver({ frame, length, mic, ear, arrived }) {
    const [spoken, heard] = [mic, ear].map((samples) => samples && bytes.encode(samples));
    report("audio", { clock, frame, length, mic: spoken, ear: heard, arrived, at: instant() });
  }

  // [frame, performance.now()] of one instant. getOutputTimestamp lies within 0.3 ms of a line (currentTime moves in steps
  // of a device buffer). It tells what leaves the loudspeaker; the latencies lead to the frame in process.
  function instant() {
    const { contextTime, performanceTime } = running.getOutputTimestamp();
    const latency = running.baseLatency + running.outputLatency;
    return contextTime > 0 ? [(contextTime + latency) * RATE_HZ, performanceTime] : null;
  }

  function sourceOf({ context }, track) {
    if (!sources.has(track)) sources.set(track, context.createMediaStreamSource(new MediaStream([track])));
    return sources.get(track);
  }

  // A remote track has come. The page's players decide whether anybody hears it.
  async function receive(track) {
    if (received.has(track)) return;
    received.add(track);
    const graph = await open();
    const { agent, recording, tap } = graph;
    const source = sourceOf(graph, track);
    source.connect(tap, 0, 2);
    if (config.ear === "received") source.connect(agent);
    beginWebm(recording);
    report("track", { clock, id: track.id });
  }

  // With the first that can be heard: a page may play its agent without any remote track.
  function beginWebm(recording) {
    if (config.recordWebm && recorder === null) recorder = record(recording.stream);
  }

  // Chunks leave at once, so that a crash costs only the last one; `sent` keeps their order.
  function record(stream) {
    const media = new MediaRecorder(stream, { mimeType: "audio/webm;codecs=opus" });
    let index = 0;
    let sent = Promise.resolve();
    media.addEventListener("dataavailable", ({ data }) => {
      const at = index++;
      sent = sent.then(async () => report("webm", { clock, index: at, data: bytes.encode(await data.arrayBuffer()) }));
    });
    media.start(config.webmChunkMs);
    return {
      async finish() {
        if (media.state === "inactive") return;
        const stopped = new Promise((resolve) => media.addEventListener("stop", resolve, { once: true }));
        media.stop(); // gives its last dataavailable before 'stop'
        await stopped;
        await sent;
      },
    };
  }

  // Only the last microphone that is still open: two at once would sound twice as loud.
  function listenToLast(tap) {
    microphones = microphones.filter(({ stream }) => stream.getAudioTracks().some(({ readyState }) => readyState === "live"));
    const last = microphones.at(-1)?.source ?? null;
    if (last === listened) return;
    listened?.disconnect(tap);
    last?.connect(tap, 0, 0);
    listened = last;
  }

  async function speak(samples, atFrame) {
    const { voice } = await open();
    const id = utterances++;
    const start = new Promise((resolve) => starts.set(id, resolve));
    const pcm = new Int16Array(bytes.decode(samples).buffer);
    voice.port.postMessage({ id, samples: pcm, atFrame }, [pcm.buffer]);
    return start;
  }

  // One track's way from one player to the ear, silent at first.
  function wayOf(graph, track) {
    beginWebm(graph.recording);
    const source = sourceOf(graph, track);
    const gain = graph.context.createGain();
    gain.gain.value = 0;
    source.connect(gain).connect(graph.agent);
    return {
      set(level) {
        if (gain.gain.value !== level) gain.gain.value = level;
      },
      end() {
        source.disconnect(gain);
        gain.disconnect();
      },
    };
  }

  async function playBeside(stream) {
    const { context, beside, recording } = await open();
    beginWebm(recording);
    const source = context.createMediaStreamSource(stream);
    source.connect(beside);
    besides.push(source);
  }

  return {
    clock,
    open,
    playBeside,
    wake() { // the browser may let a page play only after a click, or with a microphone open
      running?.resume();
    },
    receive,
    received,
    wayOf,
    speak,
    async microphoneStream() {
      const { microphone } = await open();
      return new MediaStream(microphone.stream.getAudioTracks().map((track) => track.clone()));
    },
    // Gives what to call when the page has stopped a microphone.
    async hearMicrophone(stream, source = null) {
      const { context, tap } = await open();
      microphones.push({ stream, source: source ?? context.createMediaStreamSource(new MediaStream(stream.getAudioTracks())) });
      listenToLast(tap);
      return () => listenToLast(tap);
    },
    async frame() {
      return Math.round((await open()).context.currentTime * RATE_HZ);
    },
    async clockPairs(count, everyMs) {
      await open();
      const pairs = [];
      while (pairs.length < count) {
        const pair = instant();
        if (pair !== null) pairs.push(pair);
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
      return pairs;
    },
    async finishWebm() {
      await recorder?.finish();
    },
  };
}
