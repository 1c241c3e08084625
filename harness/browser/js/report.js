// The way out of the page: one binding for everything, a record with its kind. Gives report() and inherited().
// Part of one closure (see injection.py), first of all files; uses `config`.

const sendReport = window[config.binding];

function report(kind, detail = {}) {
  return sendReport({ kind, ...detail });
}

function inherited() {
  try {
    return window === window.top ? undefined : window.top[config.handle];
  } catch {
    return undefined; // the top frame is of another origin: this frame has a clock of its own
  }
}
