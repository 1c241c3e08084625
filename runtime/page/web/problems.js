// What can go wrong for a person, in words: what happened, and what to do. Codes are stable, texts are for people.

const TEXTS = {
  microphone_refused: "The microphone is blocked. Allow it for this page in the browser's address bar, then connect again.",
  microphone_missing: "No microphone was found. Plug one in, or choose another one, then connect again.",
  microphone_busy: "The microphone cannot be opened. Another program may hold it; close that one, then connect again.",
  insecure_page: "The browser gives no microphone to this address. Open the page by https:// or as localhost.",
  no_token: "The page got no token; the line below says why. Is “earwitness serve” running here?",
  server_gone: "The server does not answer. Is “earwitness serve” still running?",
  token_refused: "The media server refused the token. It may be expired or made with another key; connect again.",
  media_unreachable: "The media server cannot be reached. Is it running, and does a firewall let it through?",
  call_lost: "The connection to the media server was lost and did not come back. Connect again when it runs.",
  agent_gone: "The agent left and did not come back. Your network did not cut you off; connect again for a new call.",
  microphone_lost: "The microphone is gone. The call goes on, but nobody hears you: plug it in, or choose another one.",
  room_closed: "The room was closed by the server. Connect again for a new one.",
  removed: "You were removed from the call. Connect again for a new one.",
  replaced: "Another page with the same identity took this call over.",
  library_missing: "A part of the page is missing (livekit-client). Run “earwitness setup”, then reload.",
  ears_failed: "This browser cannot measure audio here, so the meters and the latency panel stay empty. The call goes on.",
  unexpected: "Something went wrong in the page. Reload it; the browser's console says more.",
};

export class Problem extends Error {
  constructor(code, { detail = "", cause } = {}) {
    super(TEXTS[code] ?? TEXTS.unexpected, { cause });
    this.name = "Problem";
    this.code = code;
    this.detail = detail || (cause ? `${cause.name ?? "Error"}: ${cause.message ?? cause}` : "");
  }
}

export const asProblem = (error) => (error instanceof Problem ? error : new Problem("unexpected", { cause: error }));

export function microphoneProblem(error) {
  const codes = {
    NotAllowedError: "microphone_refused",
    SecurityError: "microphone_refused",
    NotFoundError: "microphone_missing",
    OverconstrainedError: "microphone_missing",
    NotReadableError: "microphone_busy",
    AbortError: "microphone_busy",
  };
  return new Problem(codes[error.name] ?? "unexpected", { cause: error });
}
