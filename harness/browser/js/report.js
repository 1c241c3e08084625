// The way out of the page: one binding for all records. With config.quiet it is the DevTools protocol's, which takes a
// text and returns nothing: quiet_wire.py calls answer().
// Part of one closure (see injection.py), first of all files; uses `config`; gives report(), answer(), inherited().

const sendReport = window[config.binding];

const ANSWERED = ["microphone", "lent"];
const waiting = new Map(); // number of a report → takes its answer

function report(kind, detail = {}) {
  if (!config.quiet) return sendReport({ kind, ...detail });
  const id = ANSWERED.includes(kind) ? waiting.size : null;
  const answered = id === null ? Promise.resolve() : new Promise((resolve) => waiting.set(id, resolve));
  sendReport(JSON.stringify({ id, record: { kind, ...detail } }));
  return answered;
}

function answer(id, value) {
  waiting.get(id)(value);
}

function inherited() {
  try {
    return window === window.top ? undefined : window.top[config.handle];
  } catch {
    return undefined; // the top frame is of another origin: this frame keeps its own clock
  }
}
