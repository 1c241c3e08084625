// The audio-thread halves. Tap hears microphone and ear on one frame counter, and the level of what arrived on remote
// tracks. Voice speaks at an exact frame. Output hears what one of the page's own contexts puts out.
// Units: frames of the processor's context; that of Tap and Voice runs at 48 kHz. An AudioWorklet module of its own.

const BLOCK_FRAMES = 4096; // 85 ms: 32 render quanta; small enough to notice an onset, large enough to be cheap
// A context skips once in its first 70 ms, when its output device comes alive. The tap reports nothing until so many
// frames came without a skip: a later skip is a true loss.
const SETTLED_FRAMES = 9600;

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.runStart = 0;
    this.runEnd = 0;
    this.settled = false;
    this.begin(0);
  }

  settle(quantum) {
    if (currentFrame !== this.runEnd) this.runStart = currentFrame;
    this.runEnd = currentFrame + quantum;
    this.settled = this.runEnd - this.runStart >= SETTLED_FRAMES;
  }

  begin(frame) {
    this.frame = frame;
    this.length = 0;
    this.mic = new Float32Array(BLOCK_FRAMES);
    this.ear = new Float32Array(BLOCK_FRAMES);
    this.energy = 0;
  }

  process([mic, ear, arrived], [output]) {
    const quantum = output[0].length;
    if (!this.settled) {
      this.settle(quantum);
      return true;
    }
    // A block is contiguous: it ends where the context skips frames, and the next one says where it begins.
    const isFull = this.length + quantum > BLOCK_FRAMES;
    if (this.length > 0 && (isFull || currentFrame !== this.frame + this.length)) this.deliver();
    if (this.length === 0) this.begin(currentFrame);
    // An input without a live connection has no channel at all; the block is zero there already.
    if (mic.length > 0) this.mic.set(mic[0], this.length);
    if (ear.length > 0) this.ear.set(ear[0], this.length);
    if (arrived.length > 0) for (const sample of arrived[0]) this.energy += sample * sample;
    this.length += quantum;
    if (this.length === BLOCK_FRAMES) this.deliver();
    return true;
  }

  deliver() {
    const [mic, ear] = [this.taken(this.mic), this.taken(this.ear)];
    const arrived = Math.sqrt(this.energy / this.length); // RMS
    const buffers = [mic, ear].filter((samples) => samples !== null).map((samples) => samples.buffer);
    this.port.postMessage({ frame: this.frame, length: this.length, mic, ear, arrived }, buffers);
    this.length = 0;
  }

  // Digital silence is most of a call; it travels as null.
  taken(samples) {
    const part = this.length === samples.length ? samples : samples.slice(0, this.length);
    return part.some((sample) => sample !== 0) ? part : null;
  }
}

class Voice extends AudioWorkletProcessor {
  constructor() {
    super();
    this.asked = [];
    this.playing = [];
    this.port.onmessage = ({ data }) => this.asked.push(data);
  }

  process(_inputs, [output]) {
    const [channel] = output;
    // Decided here, not in onmessage: only process() can still fill the frame currentFrame.
    for (const { id, samples, atFrame } of this.asked.splice(0)) {
      const start = Math.max(atFrame ?? 0, currentFrame);
      this.playing.push({ samples, start });
      this.port.postMessage({ id, start });
    }
    for (const { samples, start } of this.playing) {
      const first = Math.max(0, start - currentFrame);
      for (let i = first; i < channel.length; i++) {
        const at = currentFrame + i - start;
        if (at >= samples.length) break;
        channel[i] += samples[at] / 32768;
      }
    }
    const end = currentFrame + channel.length;
    this.playing = this.playing.filter(({ samples, start }) => start + samples.length > end);
    return true;
  }
}

const OUTPUT_FRAMES = 2048;

class Output extends AudioWorkletProcessor {
  constructor() {
    super();
    this.sounded = false; // a context that never sounds (a level meter) is never reported
    this.begin(0);
    this.port.onmessage = () => {
      if (this.length > 0) this.deliver();
      this.port.postMessage(null);
    };
  }

  begin(frame) {
    this.frame = frame;
    this.length = 0;
    this.samples = new Float32Array(OUTPUT_FRAMES);
  }

  process([input], [output]) {
    const quantum = output[0].length;
    const isFull = this.length + quantum > OUTPUT_FRAMES;
    if (this.length > 0 && (isFull || currentFrame !== this.frame + this.length)) this.deliver();
    if (this.length === 0) this.begin(currentFrame);
    if (input.length > 0) this.samples.set(input[0], this.length);
    this.length += quantum;
    if (this.length === OUTPUT_FRAMES) this.deliver();
    return true;
  }

  deliver() {
    const { frame, length } = this;
    const sounds = this.samples.some((sample) => sample !== 0);
    this.sounded ||= sounds;
    this.length = 0;
    if (!this.sounded) return;
    const samples = sounds ? this.samples.slice(0, length) : null;
    this.port.postMessage({ frame, length, samples }, sounds ? [samples.buffer] : []);
  }
}

registerProcessor("earwitness-output", Output);
registerProcessor("earwitness-tap", Tap);
registerProcessor("earwitness-voice", Voice);
