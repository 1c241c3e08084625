// The page's own ears: microphone and agent in one AudioContext, so that a difference of their times is on one clock.
// It listens only; the agent is heard through its <audio> element. The same graph in every mode of the page.

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
    // Nodes that do not reach the destination are not pulled; the worklet's output is silence.
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

  /** A page that was not touched yet may not run audio: then this takes effect with the first click, not now. */
  resume() {
    if (this.#context.state === "suspended") this.#context.resume().catch(() => {}); // closed in the meantime
  }

  /** performance.now() at a time of the context. getOutputTimestamp speaks of what leaves the loudspeaker, so the
   *  output's latency leads back to the moment when the samples were heard here. */
  toPerformanceMs(timeS) {
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp();
    if (!(contextTime > 0)) return performance.now() + 1e3 * (timeS - this.#context.currentTime);
    const latencyS = this.#context.baseLatency + (this.#context.outputLatency ?? 0);
    return performanceTime + 1e3 * (timeS - contextTime - latencyS);
  }

  async close() {
    for (const track of [...this.#sources.keys()]) this.forget(track);
    await this.#ready.catch(() => {}); // said where it was awaited first
    await this.#context.close();
  }
}
