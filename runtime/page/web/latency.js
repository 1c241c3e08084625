// From edges (who starts or stops sounding, in seconds of one clock) to turns: user's last voiced moment → agent
// audible, in ms. Pure. A turn's number is the first agent onset after the user's end, else the first before it.
// Onsets while the user still spoke are talk-over, counted and never hidden.

export class Turns {
  #turns = [];
  #onsets = []; // agent onsets, s
  #speaking = null; // the user's utterance that has begun and not yet ended, {startS}

  /** Takes one edge; gives the turn that it ended or answered, else null. */
  take({ who, edge, timeS }) {
    if (who === "agent") return edge === "start" ? this.#agentBegan(timeS) : null;
    if (edge === "start") {
      this.#speaking = { startS: timeS };
      return null;
    }
    return this.#userEnded(timeS);
  }

  #userEnded(endS) {
    if (this.#speaking === null) return null;
    const { startS } = this.#speaking;
    this.#speaking = null;
    const early = this.#onsets.filter((onset) => onset >= startS && onset < endS);
    // An end is certain only after its silence, when the agent may already be audible.
    const onsetS = this.#onsets.find((onset) => onset >= endS) ?? null;
    const turn = { startS, endS, onsetS, early };
    this.#turns.push(turn);
    return turn;
  }

  #agentBegan(timeS) {
    this.#onsets.push(timeS);
    const last = this.#turns.at(-1);
    if (this.#speaking !== null || !last || last.onsetS !== null) return null;
    last.onsetS = timeS;
    return last;
  }

  all() {
    return this.#turns.map(describeTurn);
  }
}

/** rawMs: negative if early, null without an answer; kpiMs: the same, never below 0. */
export function describeTurn({ startS, endS, onsetS, early }) {
  const answeredS = onsetS ?? early.at(0) ?? null;
  const rawMs = answeredS === null ? null : 1e3 * (answeredS - endS);
  return {
    startS,
    endS,
    answeredS,
    rawMs,
    kpiMs: rawMs === null ? null : Math.max(0, rawMs),
    isTalkOver: early.length > 0,
    talkOvers: early.length,
  };
}

const TURNS_FOR_A_TAIL = 20; // below that the 95th percentile says no more than the maximum

/** Of turns answered after the user's end {count, lastMs, p50Ms, p95Ms, tail: "p95" | "max"}; of all {talkOvers}. */
export function summarize(turns) {
  const answered = turns.filter(({ rawMs }) => rawMs !== null && rawMs >= 0).map(({ rawMs }) => rawMs);
  const sorted = answered.toSorted((a, b) => a - b);
  const isTail = sorted.length >= TURNS_FOR_A_TAIL;
  return {
    count: sorted.length,
    lastMs: answered.at(-1) ?? null,
    p50Ms: quantile(sorted, 0.5),
    p95Ms: isTail ? quantile(sorted, 0.95) : (sorted.at(-1) ?? null),
    tail: isTail ? "p95" : "max",
    talkOvers: turns.reduce((sum, turn) => sum + turn.talkOvers, 0),
  };
}

/** Linear between the closest ranks, as in numpy; null of nothing. */
function quantile(sorted, share) {
  if (sorted.length === 0) return null;
  const rank = share * (sorted.length - 1);
  const below = Math.floor(rank);
  const above = Math.ceil(rank);
  return sorted[below] + (rank - below) * (sorted[above] - sorted[below]);
}
