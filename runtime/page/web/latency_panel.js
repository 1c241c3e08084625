// The latency panel: last, P50, P95 and one bar a turn. Draws what latency.js computed; computes nothing.

const BARS = 24;
const FULL_BAR_MS = 1500; // a bar this high fills the chart; a longer one is capped

const inMs = (ms) => Math.round(ms).toString();

export function drawLatency(panel, summary, turns) {
  const put = (id, text) => (panel.querySelector(`#${id}`).textContent = text);
  for (const [id, ms] of [["last", summary.lastMs], ["p50", summary.p50Ms], ["p95", summary.p95Ms]]) {
    put(id, ms === null ? "–" : inMs(ms));
    panel.querySelector(`#${id}`).classList.toggle("none", ms === null);
  }
  put("tail", summary.tail === "p95" || summary.count === 0 ? "P95" : `Max of ${summary.count}`);
  put("turns", turns.length.toString());
  put("talk-overs", summary.talkOvers.toString());
  panel.querySelector("#bars").replaceChildren(...turns.slice(-BARS).map(makeBar));
}

function makeBar({ rawMs, isTalkOver }) {
  const bar = document.createElement("li");
  const isAnswer = rawMs !== null && rawMs >= 0;
  const kind = isAnswer ? `${inMs(rawMs)} ms` : isTalkOver ? "talk-over" : "no answer";
  bar.className = isAnswer ? "answer" : isTalkOver ? "talk-over" : "silent";
  bar.style.setProperty("--height", isAnswer ? Math.min(1, rawMs / FULL_BAR_MS).toFixed(3) : "0");
  bar.title = kind;
  bar.append(Object.assign(document.createElement("span"), { className: "spoken", textContent: kind }));
  return bar;
}
