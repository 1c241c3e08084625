// The agent's own account of a turn beside what the page heard, in milliseconds.
// The agent's times are on its own clock: only differences between them are used, never one of them and one of ours.

const STEPS = [
  // [name, where the step ends]; each begins where the one before ended
  ["Waiting for more", "vad_end"],
  ["Understanding you", "stt_done"],
  ["Finding its words", "llm_first_segment"],
  ["Making its voice", "tts_first_pcm"],
  ["Sending", "first_publish"],
];
const PAIRED_WITHIN_MS = 1500; // the first sound and the message about it take different ways

/** {totalMs, steps: [{name, ms}]} of `reply_start`'s data.t, or null if the agent does not tell enough. A step
 *  done ahead, while the agent still waited, takes no time of its own: the steps always add up to the whole. */
export function readAccount(t) {
  const isTold = (name) => typeof t?.[name] === "number" && Number.isFinite(t[name]);
  if (!isTold("user_eot") || !isTold("first_publish")) return null;
  let reached = t.user_eot;
  const steps = STEPS.map(([name, end]) => {
    const before = reached;
    if (isTold(end)) reached = Math.max(reached, Math.min(t[end], t.first_publish));
    return { name, ms: reached - before };
  });
  return { totalMs: reached - t.user_eot, steps };
}

/** {heardMs, account | null} of the last answered turn, or null. `turns`: of the page's trace; `accounts`: [{atMs, account}];
 *  both in performance.now(). */
export function pairLast(turns, accounts) {
  const turn = turns.findLast(({ user_kpi_raw_ms: ms }) => ms !== null && ms >= 0);
  if (turn === undefined || turn.t_browser_first_playout === null) return null;
  const apart = ({ atMs }) => Math.abs(atMs - turn.t_browser_first_playout);
  const nearest = accounts.toSorted((a, b) => apart(a) - apart(b)).at(0);
  const account = nearest !== undefined && apart(nearest) <= PAIRED_WITHIN_MS ? nearest.account : null;
  return { heardMs: turn.user_kpi_raw_ms, account };
}

const inMs = (ms) => `${Math.round(ms)} ms`;

/** `pair`: from pairLast. */
export function drawAccount(table, note, pair) {
  table.hidden = !pair?.account;
  note.hidden = !pair || Boolean(pair.account);
  const rows = pair?.account ? rowsOf(pair) : [];
  table.tBodies[0].replaceChildren(...rows.map(makeRow));
}

function rowsOf({ heardMs, account }) {
  const whole = { name: "Your end → its first sound", heard: inMs(heardMs), told: inMs(account.totalMs), isWhole: true };
  const steps = account.steps.map(({ name, ms }) => ({ name, heard: "", told: inMs(ms) }));
  return [whole, ...steps, { name: "On the way, both ways", heard: inMs(heardMs - account.totalMs), told: "" }];
}

function makeRow({ name, heard, told, isWhole }) {
  const row = document.createElement("tr");
  row.className = isWhole ? "whole" : "";
  const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
  const cells = [heard, told].map((text) => Object.assign(document.createElement("td"), { textContent: text || "–" }));
  row.append(head, ...cells);
  return row;
}
