// The page: joins call, ears, turns and panels. `?auto=1` connects by itself, with the pass in the fragment if there is one.
// Every mode runs the same parts in the same order, so that a harness measures what a person gets.

import { drawAccount, pairLast, readAccount } from "./account.js";
import { AGENT_STATES, Transcript, showState } from "./conversation.js";
import { Ears } from "./ears.js";
import { loadSchema } from "./events.js";
import { Turns, summarize } from "./latency.js";
import { drawLatency } from "./latency_panel.js";
import { Meter } from "./meters.js";
import { followDevices, listMicrophones } from "./microphones.js";
import { showNetwork } from "./network.js";
import { askServer, takeFragment } from "./pass.js";
import { Presence } from "./presence.js";
import { Problem, asProblem } from "./problems.js";
import { Call, hasLibrary } from "./session.js";
import { Trace } from "./trace.js";

const $ = (id) => document.getElementById(id);
const isAuto = new URLSearchParams(location.search).get("auto") === "1";
const fragment = takeFragment(); // before anything else can see the token
const microphones = $("microphone");
const transcript = new Transcript($("transcript"));
const meters = { user: new Meter($("user-meter")), agent: new Meter($("agent-meter")) };

let call = null;
let ears = null;
let turns = new Turns();
let trace = new Trace(isAuto);
let accounts = []; // of the agent's replies, with their time of arrival
let agentSaid = null; // its last event
let state = initialState();
let schema = null; // to come

function initialState() {
  const call = { connection: "idle", network: null, room: null, problem: null };
  return { ...call, agent: null, agent_audible: false, agent_away: false, microphone: "off", muted: false };
}

Object.defineProperty(window, "earwitness", {
  value: Object.freeze({
    get state() {
      return structuredClone(state);
    },
    get trace() {
      return trace.snapshot();
    },
  }),
});

async function connect(takePass) {
  turns = new Turns();
  trace = new Trace(isAuto);
  accounts = [];
  agentSaid = null;
  state = initialState();
  tellProblem(null);
  transcript.clear();
  drawTurns();
  if (!hasLibrary()) return finish(new Problem("library_missing"));
  const current = new Call(schemaOnce());
  call = current;
  openEars(current);
  follow(current);
  const pass = takePass();
  pass.then(({ room }) => change({ room: room ?? null }), () => {}); // the call reports a refusal
  return current.start(pass, microphones.value);
}

function openEars(current) {
  const own = new Ears();
  ears = own;
  trace.resolutionMs = own.resolutionMs;
  const hear = (who, track) =>
    own.hear(who, track).catch((error) => tellProblem(new Problem("ears_failed", { cause: error })));
  own.addEventListener("levels", ({ detail }) => {
    for (const who of ["user", "agent"]) meters[who].show(detail[who]);
    $("stage").style.setProperty("--loud", Math.min(1, 4 * Math.max(detail.user, detail.agent)).toFixed(3));
  });
  own.addEventListener("edge", ({ detail }) => {
    trace.edge(detail, own.toPerformanceMs(detail.timeS));
    if (!turns.take(detail)) return;
    trace.keepTurns(turns.all());
    drawTurns();
  });
  let speaking = null;
  current.addEventListener("microphone", ({ detail: { track } }) => {
    if (!track) return;
    if (speaking) own.forget(speaking);
    speaking = track;
    hear("user", track);
  });
  current.addEventListener("agent-track", ({ detail: { track, on } }) => (on ? hear("agent", track) : own.forget(track)));
  current.addEventListener("ended", () => own.close());
}

function follow(current) {
  const on = (type, handle) => current.addEventListener(type, ({ detail }) => handle(detail));
  on("mark", ({ name, t_ms }) => trace.mark(name, t_ms));
  on("connection", (detail) => change({ connection: detail.state, ...(detail.state === "connected" ? {} : { network: null }) }));
  on("quality", ({ level }) => change({ network: level }));
  on("microphone", (detail) => takeMicrophone(current, detail.state));
  const presence = new Presence(
    (isAway) => change({ agent_away: isAway }),
    () => current.end(new Problem("agent_gone")),
  );
  const look = () => presence.see(state.agent_audible, state.connection === "connected");
  on("agent-track", (detail) => change(detail.on ? { agent_audible: true } : { agent_audible: false, agent: null }));
  for (const type of ["agent-track", "connection"]) current.addEventListener(type, look); // after `change` has seen it
  on("ended", () => presence.stop());
  on("playback", ({ allowed }) => ($("allow-sound").hidden = allowed));
  on("malformed", ({ reason }) => trace.malformed(reason));
  on("event", ({ event }) => trace.accepts(event) && take(event));
  on("ended", ({ problem }) => finish(problem));
}

async function takeMicrophone(current, news) {
  change({ microphone: news === "asked" || news === "lost" ? news : "live" });
  if (news === "lost") return tellProblem(new Problem("microphone_lost"));
  if (state.problem?.code === "microphone_lost") tellProblem(null);
  if (news === "asked") return undefined;
  await listMicrophones(microphones);
  if (news !== "changed" || current !== call) return undefined;
  const chosen = await current.microphoneId();
  if ([...microphones.options].some(({ value }) => value === chosen)) microphones.value = chosen;
  $("news").textContent = `You are heard through: ${microphones.selectedOptions[0]?.text ?? "another microphone"}`;
  return undefined;
}

function take(event) {
  agentSaid = event.type === "trace" ? agentSaid : event;
  const account = event.type === "reply_start" ? readAccount(event.data.t) : null;
  if (account !== null) accounts = [...accounts, { atMs: performance.now(), account }].slice(-ACCOUNTS_KEPT);
  if (account !== null) drawTurns();
  if (event.type === "agent_state" && AGENT_STATES.has(event.data.state)) change({ agent: event.data.state });
  if (event.type === "transcript") transcript.add(event);
  if (event.type === "reply_end" && event.data.cause === "interrupted") transcript.markInterrupted(event);
}

function finish(problem) {
  call = null;
  ears = null;
  for (const meter of Object.values(meters)) meter.clear();
  $("stage").style.setProperty("--loud", "0");
  $("allow-sound").hidden = true;
  change({ ...initialState(), connection: problem ? "failed" : "idle", room: state.room });
  tellProblem(problem);
}

function tellProblem(problem) {
  state.problem = problem && { code: problem.code, text: problem.message, detail: problem.detail };
  $("problem").hidden = !problem;
  $("problem-text").textContent = problem?.message ?? "";
  $("problem-detail").textContent = problem?.detail ?? "";
  if (problem) console.error(`earwitness: ${problem.code}: ${problem.message} ${problem.detail}`);
}

function change(news) {
  Object.assign(state, news);
  const isCalling = !["idle", "failed"].includes(state.connection);
  showState($("stage"), stateShown());
  $("connection").dataset.state = state.connection;
  $("connection-text").textContent = CONNECTION_TEXTS[state.connection];
  $("room").textContent = isCalling && state.room ? state.room : "";
  $("connect").textContent = isCalling ? "End call" : "Connect";
  $("connect").classList.toggle("ends", isCalling);
  showNetwork($("network"), isCalling ? (state.network ?? "unknown") : null);
  // Shown while the agent tells its state. Without anything to stop it is disabled, so that it keeps its place.
  $("interrupt").hidden = !isCalling || state.agent === null;
  $("interrupt").disabled = !CAN_BE_STOPPED.has(state.agent) || state.connection !== "connected";
  $("mute").hidden = state.microphone !== "live";
  $("mute").textContent = state.muted ? "Unmute" : "Mute";
  $("mute").setAttribute("aria-pressed", String(state.muted));
  $("user-note").textContent = USER_NOTES[state.muted ? "muted" : state.microphone];
  $("agent-note").textContent = state.agent_audible ? "in the room" : "";
}

const CONNECTION_TEXTS = {
  idle: "Not connected",
  connecting: "Connecting",
  connected: "Connected",
  reconnecting: "Reconnecting",
  failed: "Not connected",
};
const USER_NOTES = { off: "", asked: "waiting for permission", live: "microphone on", muted: "muted", lost: "no microphone" };
const CAN_BE_STOPPED = new Set(["THINKING", "SPEAKING"]);
const ACCOUNTS_KEPT = 10;

function stateShown() {
  if (state.connection !== "connected") return state.connection;
  if (state.agent_away) return "away";
  if (!state.agent_audible) return "waiting";
  return state.agent ?? "joined";
}

function drawTurns() {
  const all = turns.all();
  drawLatency($("latency"), summarize(all), all);
  drawAccount($("account"), $("account-none"), pairLast(trace.turns, accounts));
}

async function interrupt() {
  if ($("interrupt").disabled || $("interrupt").hidden || agentSaid === null) return;
  await call?.interrupt(agentSaid).catch((error) => tellProblem(asProblem(error)));
}

async function chooseMicrophone() {
  try {
    await call?.chooseMicrophone(microphones.value);
  } catch (error) {
    tellProblem(asProblem(error));
  }
}

async function toggleMute() {
  const current = call;
  if (current === null) return;
  const muted = !state.muted;
  try {
    await current.setMuted(muted);
  } catch (error) {
    tellProblem(asProblem(error));
    return;
  }
  if (call === current) change({ muted });
}

/** One that did not load is loaded anew by the next call, which reports what keeps it from it. */
function schemaOnce() {
  schema ??= loadSchema();
  schema.catch(() => (schema = null));
  return schema;
}

schemaOnce();
$("connect").addEventListener("click", () => (call ? call.end() : connect(askServer)));
$("mute").addEventListener("click", toggleMute);
$("interrupt").addEventListener("click", interrupt);
document.addEventListener("keydown", ({ key }) => key === "Escape" && interrupt());
$("problem-close").addEventListener("click", () => {
  tellProblem(null);
  if (state.connection === "failed") change({ connection: "idle" });
});
$("allow-sound").addEventListener("click", () => call?.allowPlayback());
document.addEventListener("click", () => ears?.resume());
microphones.addEventListener("change", chooseMicrophone);
followDevices(microphones);
listMicrophones(microphones);
change({});
drawTurns();
if (isAuto) connect(() => (fragment ? Promise.resolve(fragment) : askServer()));
