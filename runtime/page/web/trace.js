// The page's own claims about a call, raw: the harness saves them as browser_trace.json and compares them with what it
// heard. Times are milliseconds of performance.now(). Read-only from outside; holds nothing secret.

import { THRESHOLDS } from "./ears.js";

const MALFORMED_KEPT = 50; // a flood must not fill the page's memory

export class Trace {
  #marks = {};
  #identity = { trace_id: null, run_id: null, case_id: null, attempt: null };
  #edges = [];
  #msAt = new Map();
  #turns = [];
  #malformed = [];
  #resolutionMs = null;

  malformedCount = 0;

  constructor(auto) {
    this.auto = auto;
  }

  mark(name, t_ms) {
    this.#marks[name] ??= t_ms; // the first time counts
  }

  /** Whether the event belongs to this attempt: the probe's `trace` names the attempt; before it, all do. */
  accepts(event) {
    if (event.type === "trace") {
      const { trace_id, run_id, case_id, attempt } = event;
      this.#identity = { trace_id, run_id, case_id, attempt };
    }
    return this.#identity.trace_id === null || this.#identity.trace_id === event.trace_id;
  }

  /** `timeS` on the ears' clock is `t_ms` on performance.now(); kept as a pair, because the two clocks drift. */
  edge({ who, edge, timeS }, t_ms) {
    this.#edges.push({ who, edge, t_ms });
    this.#msAt.set(timeS, t_ms);
  }

  /** Turns as latency.js describes them. */
  keepTurns(turns) {
    const at = (timeS) => this.#msAt.get(timeS) ?? null;
    this.#turns = turns.map(({ startS, endS, answeredS, rawMs, kpiMs, isTalkOver, talkOvers }) => ({
      t_user_start: at(startS),
      t_user_eot_browser: at(endS),
      t_browser_first_playout: at(answeredS),
      user_kpi_raw_ms: rawMs,
      user_kpi_ms: kpiMs,
      is_talk_over: isTalkOver,
      talk_overs: talkOvers,
    }));
  }

  /** As kept by `keepTurns`. */
  get turns() {
    return this.#turns;
  }

  malformed(reason) {
    this.malformedCount += 1;
    if (this.#malformed.length < MALFORMED_KEPT) this.#malformed.push({ t_ms: performance.now(), reason });
  }

  set resolutionMs(ms) {
    this.#resolutionMs = ms;
  }

  snapshot() {
    return structuredClone({
      v: 1,
      clock: "performance.now",
      time_origin_ms: performance.timeOrigin,
      auto: this.auto,
      ...this.#identity,
      t_connect_started: null,
      t_connected: null,
      t_microphone_requested: null,
      t_microphone_granted: null,
      t_microphone_published: null,
      t_agent_track_subscribed: null,
      ...this.#marks,
      eot_source: "worklet",
      playout_source: "worklet",
      mic_resolution_ms: this.#resolutionMs,
      playout_resolution_ms: this.#resolutionMs,
      thresholds: THRESHOLDS,
      turns: this.#turns,
      edges: this.#edges,
      malformed_events: this.#malformed,
      malformed_count: this.malformedCount,
      livekit_client_version: window.LivekitClient?.version ?? null,
      user_agent: navigator.userAgent,
    });
  }
}
