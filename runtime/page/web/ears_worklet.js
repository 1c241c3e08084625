// The audio thread's half of the page's ears: levels of microphone and agent, and when each starts and stops sounding.
// Input 0 is the microphone, input 1 the agent. Times are seconds of the AudioContext. An edge is exact to one render
// quantum (128 samples: 2.7 ms at 48 kHz), and its time is when it happened, not when it became certain.

const HOLD_S = 0.01; // one pitch period of a low voice: its quiet half is no silence
const LEVEL_EVERY_S = 0.05;

class Edges {
  constructor({ threshold, onsetS, silenceS }) {
    Object.assign(this, { threshold, onsetS, silenceS, sounding: false, startS: null, lastLoudS: null });
  }

  /** {edge, timeS} when this quantum makes one certain, else null. */
  hear(rms, nowS, quantumS) {
    if (rms >= this.threshold) {
      this.startS ??= nowS;
      this.lastLoudS = nowS + quantumS;
    }
    if (this.startS === null) return null;
    const quietS = nowS + quantumS - this.lastLoudS;
    if (!this.sounding) {
      if (quietS > HOLD_S) this.startS = null; // a click
      else if (this.lastLoudS - this.startS >= this.onsetS) {
        this.sounding = true;
        return { edge: "start", timeS: this.startS };
      }
    } else if (quietS >= this.silenceS) {
      this.sounding = false;
      this.startS = null;
      return { edge: "end", timeS: this.lastLoudS };
    }
    return null;
  }
}

class Ears extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.edges = { user: new Edges(processorOptions.user), agent: new Edges(processorOptions.agent) };
    this.squares = { user: 0, agent: 0 };
    this.quanta = 0;
  }

  process([microphone, agent]) {
    const quantumS = 128 / sampleRate;
    for (const [who, [samples]] of [["user", microphone], ["agent", agent]]) {
      const square = samples ? meanSquare(samples) : 0;
      this.squares[who] += square;
      const edge = this.edges[who].hear(Math.sqrt(square), currentTime, quantumS);
      if (edge) this.port.postMessage({ who, ...edge });
    }
    this.quanta += 1;
    if (this.quanta * quantumS >= LEVEL_EVERY_S) this.tellLevels();
    return true;
  }

  tellLevels() {
    const rms = (who) => Math.sqrt(this.squares[who] / this.quanta);
    this.port.postMessage({ levels: { user: rms("user"), agent: rms("agent") } });
    this.squares = { user: 0, agent: 0 };
    this.quanta = 0;
  }
}

function meanSquare(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum / samples.length;
}

registerProcessor("earwitness-page-ears", Ears);
