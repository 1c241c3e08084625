// The conversation as a person reads it: the agent's state, and who said what. Draws; decides nothing.

const STATES = {
  idle: ["Ready when you are", "Connect, then just talk."],
  failed: ["Not connected", "The message above says why."],
  connecting: ["Connecting", "Joining the room and opening your microphone."],
  waiting: ["Waiting for the agent", "You are in the room; the agent is on its way."],
  LISTENING: ["Listening", "Say something. You may interrupt at any time."],
  THINKING: ["Thinking", "The agent heard the end of your turn."],
  SPEAKING: ["Speaking", "Talk over it to interrupt."],
  INTERRUPTING: ["Interrupted", "The agent stops and listens to you."],
  away: ["The agent is away", "It may come back. Stay on the line."],
  joined: ["In conversation", "The agent is here. It does not tell its state."],
  reconnecting: ["Reconnecting", "The connection was lost. Trying to get it back."],
};

export const AGENT_STATES = new Set(["LISTENING", "THINKING", "SPEAKING", "INTERRUPTING"]);

export function showState(stage, name) {
  const [title, hint] = STATES[name];
  stage.dataset.state = name.toLowerCase();
  stage.querySelector("#state").textContent = title;
  stage.querySelector("#hint").textContent = hint;
}

const LINES = 200; // of a long call, the last ones
const CHARACTERS = 2000;

const shorten = (text) => (text.length > CHARACTERS ? `${text.slice(0, CHARACTERS)}…` : text);

/** Lines by event: a speaker's next words replace words that are not final yet. */
export class Transcript {
  #list;
  #open = { user: null, agent: null };
  #byReply = new Map();
  #cut = new Set();

  constructor(list) {
    this.#list = list;
    new ResizeObserver(() => this.#showLast()).observe(list); // the panel above grows with its first turn
  }

  #showLast() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  add({ trace_id, reply_seq, data }) {
    const { role, text, final: isFinal } = data;
    if (!(role in this.#open) || typeof text !== "string") return;
    // A restarted agent counts its replies anew, under another trace.
    const reply = role === "agent" && reply_seq !== null ? `${trace_id}/${reply_seq}` : null;
    const open = reply === null ? this.#open[role] : this.#byReply.get(reply); // never another reply's
    const line = open ?? (text.trim() ? this.#begin(role, reply) : null);
    if (line === null) return;
    if (text.trim()) line.querySelector(".words").textContent = shorten(text);
    line.classList.toggle("draft", !isFinal);
    this.#open[role] = isFinal ? null : line;
    this.#showLast();
  }

  /** The agent was cut off in this reply, which may have no words yet. */
  markInterrupted({ trace_id, reply_seq }) {
    const reply = `${trace_id}/${reply_seq}`;
    this.#cut.add(reply);
    this.#byReply.get(reply)?.classList.add("cut");
    this.#open.agent = null;
  }

  clear() {
    this.#list.replaceChildren();
    this.#open = { user: null, agent: null };
    this.#byReply.clear();
    this.#cut.clear();
  }

  #begin(role, reply) {
    const line = document.createElement("li");
    line.className = `line ${role}`;
    const who = Object.assign(document.createElement("span"), { className: "who", textContent: role === "user" ? "You" : "Agent" });
    const words = Object.assign(document.createElement("p"), { className: "words" });
    line.append(who, words);
    this.#list.append(line);
    if (reply !== null) {
      this.#byReply.set(reply, line);
      line.classList.toggle("cut", this.#cut.has(reply));
    }
    while (this.#list.childElementCount > LINES) this.#list.firstElementChild.remove();
    return line;
  }
}
