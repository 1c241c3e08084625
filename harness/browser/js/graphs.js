// The page's own AudioContexts: a gain before each destination, and a worklet there that hears the output. The moment at
// which a block leaves the loudspeaker (getOutputTimestamp of both contexts) places it on the ear's clock.
// Part of one closure (see injection.py); uses `config`, `report`, `bytes`, `ears`; gives makeGraphs().

const TOLD_MS = 100; // a context that runs tells what it has played in a few
const LINE_LOOKS = 15; // getOutputTimestamp lies within 0.3 ms of its line, a median of so many closer

// performance.now() at a context's time 0, in ms.
class ClockLine {
  #zeros = [];

  look(context) {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    if (!(contextTime > 0)) return;
    this.#zeros.push(performanceTime - 1e3 * contextTime);
    if (this.#zeros.length > LINE_LOOKS) this.#zeros.shift();
  }

  // A context stands still while it is suspended: what was seen before lies on another line.
  forget() {
    this.#zeros = [];
  }

  get zeroMs() {
    return this.#zeros.toSorted((a, b) => a - b)[this.#zeros.length >> 1];
  }
}

function makeGraphs() {
  const { AudioWorkletNode } = window;
  const { connect } = AudioNode.prototype;
  const outputs = new Map(); // a context of the page that is not closed → what stands before its destination
  const ours = new ClockLine();
  let adopted = 0;
  let closed = false; // one that might have played

  // Loads the module at once: loaded at the first sound, it would miss the beginning.
  function adopt(context) {
    const module = URL.createObjectURL(new Blob([config.worklets], { type: "application/javascript" }));
    const loaded = context.audioWorklet?.addModule(module) ?? Promise.reject(new Error("no AudioWorklet"));
    loaded.catch(() => {}).finally(() => URL.revokeObjectURL(module));
    const output = { id: adopted++, context, loaded, bus: null, node: null, told() {}, line: new ClockLine(), heard: false };
    outputs.set(context, output);
    context.addEventListener("statechange", () => changed(output));
  }

  function changed(output) {
    const { context, bus, line } = output;
    if (context.state === "running") line.forget();
    else tell(output);
    if (context.state !== "closed") return;
    outputs.delete(context);
    closed ||= bus !== null;
  }

  // Blocks come when they are full, and a context that stands still fills none: ask for what it has played. None of a closed
  // context comes any more.
  function tell(output) {
    return new Promise((resolve) => {
      if (!output.node) return resolve();
      output.told = resolve;
      output.node.port.postMessage(null);
      setTimeout(resolve, TOLD_MS);
    });
  }

  async function last(context) {
    if (outputs.has(context) && context.state === "running") await tell(outputs.get(context));
  }

  // The gain to connect to in place of this destination; null if it is no destination of the page's contexts.
  function busBefore(destination) {
    const output = outputs.get(destination?.context);
    if (output === undefined || destination !== output.context.destination) return null;
    if (output.bus === null) {
      output.bus = output.context.createGain();
      connect.call(output.bus, destination);
      hear(output).catch(() => {}); // closed before it was ready, or no secure context: nothing to hear
    }
    return output.bus;
  }

  async function hear(output) {
    const { context, bus } = output;
    await output.loaded;
    const node = new AudioWorkletNode(context, "earwitness-output", {
      outputChannelCount: [1], channelCount: 1, channelCountMode: "explicit",
    });
    connect.call(bus, node);
    connect.call(node, context.destination); // gives silence; Chromium pulls only nodes that reach a destination
    output.node = node;
    const { context: ear } = await ears.open();
    node.port.onmessage = ({ data }) => (data === null ? output.told() : place(output, ear, data));
  }

  function place(output, ear, { frame, length, samples }) {
    const { context, id, line } = output;
    line.look(context);
    ours.look(ear);
    const at = (line.zeroMs - ours.zeroMs + (1e3 * frame) / context.sampleRate) * (ear.sampleRate / 1e3);
    if (!Number.isFinite(at)) return;
    const heard = samples !== null && !hasNoSink(context);
    if (heard) record(output);
    report("output", {
      clock: ears.clock, context: id, rate: context.sampleRate, frame, at, length, samples: heard ? bytes.encode(samples) : null,
    });
  }

  // Feeds the webm and the echo, 15 to 40 ms late, which harms neither.
  function record(output) {
    if (output.heard) return;
    output.heard = true;
    const way = output.context.createMediaStreamDestination();
    connect.call(output.bus, way);
    ears.playBeside(way.stream);
  }

  function hasNoSink({ sinkId }) {
    return sinkId?.type === "none";
  }

  // Why the page's contexts are not heard, as far as known.
  function reasons() {
    const made = [...outputs.values()].filter(({ bus }) => bus !== null);
    if (made.length === 0 && closed) return ["the page's AudioContext is closed"];
    return made.flatMap(({ context }) => {
      if (context.state !== "running") return [`the page's AudioContext is ${context.state}`];
      return hasNoSink(context) ? ["the page's AudioContext has no sink"] : [];
    });
  }

  return { adopt, busBefore, last, reasons };
}

function watchContexts() {
  if (config.ear !== "played" || !window.AudioContext) return;
  const Native = window.AudioContext;
  const Watched = new Proxy(Native, {
    construct(target, args, newTarget) {
      const context = Reflect.construct(target, args, newTarget === Watched ? target : newTarget);
      graphs.adopt(context);
      return context;
    },
  });
  Native.prototype.constructor = Watched;
  for (const name of ["AudioContext", "webkitAudioContext"]) {
    if (!(name in window)) continue;
    Object.defineProperty(window, name, { value: Watched, writable: true, configurable: true, enumerable: false });
  }
  const { close } = Native.prototype;
  Native.prototype.close = { async close() {
    await graphs.last(this);
    return close.call(this);
  } }.close;
  const { connect, disconnect } = AudioNode.prototype;
  AudioNode.prototype.connect = { connect(target, ...ports) {
    const bus = graphs.busBefore(target);
    if (bus === null) return connect.call(this, target, ...ports);
    connect.call(this, bus, ...ports);
    return target;
  } }.connect;
  AudioNode.prototype.disconnect = { disconnect(...from) {
    const bus = graphs.busBefore(from[0]);
    return bus === null ? disconnect.apply(this, from) : disconnect.call(this, bus, ...from.slice(1));
  } }.disconnect;
}
