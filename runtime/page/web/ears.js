// The page's own ears: microphone and agent in one AudioContext, so that their times are on one clock.
// They only listen; the agent plays through its <audio> element. Every mode of the page has the same graph.

export const THRESHOLDS = {
  // Levels are RMS of full scale. The agent's is lower: what comes from the network has no room noise in it.
  user: { threshold: 0.015, onsetS: 0.03, silenceS: 0.4 },
  agent: { threshold: 0.005, onsetS: 0.03, silenceS: 0.4 },
};
const QUANTUM_SAMPLES = 128;

/** Events: "levels" {user, agent} 20 times a second; "edge" {who, edge: start | end, timeS}. */
export class Ears extends EventTarget {
  #context = new AudioContext({ latencyHint: "interactive" });
  #sources = new Map(); // MediaStreamTrack → its source node; a node that nobody holds is collected and falls silent
  #ready;

  constructor() {
    super();
    this.#ready = this.#build();
  }

  get resolutionMs() {
    return (1e3 * QUANTUM_SAMPLES) / this.#context.sampleRate;
  }

  async #build() {
    await this.#context.audioWorklet.addModule(new URL("ears_worklet.js", import.meta.url));
    const node = new AudioWorkletNode(this.#context, "earwitness-page-ears", {
      numberOfInputs: 2,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: THRESHOLDS,
    });
    node.port.onmessage = ({ data }) => {
      const [type, detail] = data.levels ? ["levels", data.levels] : ["edge", data];
      this.dispatchEvent(new CustomEvent(type, { detail }));
    };
    // The browser pulls only nodes that reach the destination; the worklet puts out silence.
    node.connect(this.#context.destination);
    return node;
  }

  /** Listen to a MediaStreamTrack as "user" or "agent". */
  async hear(who, track) {
    const node = await this.#ready;
    if (this.#context.state === "closed" || this.#sources.has(track)) return;
    const source = this.#context.createMediaStreamSource(new MediaStream([track]));
    source.connect(node, 0, who === "user" ? 0 : 1);
    this.#sources.set(track, source);
    this.resume();
  }

  forget(track) {
    this.#sources.get(track)?.disconnect();
    this.#sources.delete(track);
  }

  /** Before the first click the browser may refuse: every click calls this again. */
  resume() {
    if (this.#context.state === "suspended") this.#context.resume().catch(() => {}); // closed in the meantime
  }

  /** performance.now() at a time of the context. getOutputTimestamp tells what leaves the loudspeaker; the latency
   *  leads back to the moment when the samples were heard here. */
  toPerformanceMs(timeS) {
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp();
    if (!(contextTime > 0)) return performance.now() + 1e3 * (timeS - this.#context.currentTime);
    const latencyS = this.#context.baseLatency + (this.#context.outputLatency ?? 0);
    return performanceTime + 1e3 * (timeS - contextTime - latencyS);
  }

  async close() {
    for (const track of [...this.#sources.keys()]) this.forget(track);
    await this.#ready.catch(() => {}); // `hear` has thrown it
    await this.#context.close();
  }
}
