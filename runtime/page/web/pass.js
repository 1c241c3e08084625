// The pass to a room {livekit_url, token, room}: from the fragment of the address, which is cleared at once, or from
// the token server. A fragment never reaches a server or its log; a query would.

import { Problem } from "./problems.js";

const TOKEN_TIMEOUT_MS = 20_000; // the server answers when the agent has joined

/** {livekit_url, token, room} from `#livekit_url=…&token=…&room=…`, or null if there is none. */
export function takeFragment() {
  const fields = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  const pass = Object.fromEntries(["livekit_url", "token", "room"].map((name) => [name, fields.get(name)]));
  return pass.token && pass.livekit_url ? pass : null;
}

/** Ask the token server for a new room. Throws a Problem. */
export async function askServer() {
  let answer;
  try {
    answer = await fetch(new URL("api/token", document.baseURI), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    });
  } catch (error) {
    throw new Problem("server_gone", { cause: error });
  }
  const body = await answer.json().catch(() => null); // a proxy's error page is no JSON
  if (answer.ok && body?.token) return body;
  throw new Problem("no_token", { detail: body?.error?.message ?? `HTTP status ${answer.status}` });
}
