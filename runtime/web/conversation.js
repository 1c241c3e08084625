// The conversation as a person reads it: the agent's state, and who said what. Draws; decides nothing.

const STATES = {
  idle: ["Ready when you are", "Connect, then just talk."],
  failed: ["Not connected", "The message above says why."],
  connecting: ["Connecting", "Joining the room and opening your microphone."],
  waiting: ["Waiting for the agent", "You are in the room; the agent is on its way."],
  LISTENING: ["Listening", "Say something. You may interrupt at any time."],
  THINKING: ["Thinking", "The agent heard the end of your turn."],
  SPEAKING: ["Speaking", "Talk over it to interrupt."],
  INTERRUPTING: ["Interrupted", "The agent stops, and listens to you."],
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

/** Lines by event: words that are not final yet are replaced by the next ones of the same speaker. */
export class Transcript {
  #list;
  #open = { user: null, agent: null };
  #byReply = new Map();

  constructor(list) {
    this.#list = list;
  }

  add({ reply_seq, data }) {
    const { role, text, final: isFinal } = data;
    if (!(role in this.#open) || typeof text !== "string") return;
    const line = this.#open[role] ?? (text.trim() ? this.#begin(role, reply_seq) : null);
    if (line === null) return;
    line.querySelector(".words").textContent = text;
    line.classList.toggle("draft", !isFinal);
    this.#open[role] = isFinal ? null : line;
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** The agent was cut off in this reply. */
  markInterrupted(replySeq) {
    this.#byReply.get(replySeq)?.classList.add("cut");
    this.#open.agent = null;
  }

  clear() {
    this.#list.replaceChildren();
    this.#open = { user: null, agent: null };
    this.#byReply.clear();
  }

  #begin(role, replySeq) {
    const line = document.createElement("li");
    line.className = `line ${role}`;
    const who = Object.assign(document.createElement("span"), { className: "who", textContent: role === "user" ? "You" : "Agent" });
    const words = Object.assign(document.createElement("p"), { className: "words" });
    line.append(who, words);
    this.#list.append(line);
    if (role === "agent" && replySeq !== null) this.#byReply.set(replySeq, line);
    return line;
  }
}
