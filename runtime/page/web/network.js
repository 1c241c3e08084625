// This participant's connection, as LiveKit judges it from lost packets and delay: words and four bars.

const LEVELS = {
  excellent: ["Network: excellent", 4],
  good: ["Network: good", 3],
  poor: ["Network: poor. What you hear may have holes.", 1],
  lost: ["Network: lost", 0],
  unknown: ["Network: not known yet", 0],
};

/** `level`: LiveKit's, or null outside of a call. */
export function showNetwork(element, level) {
  const name = level in LEVELS ? level : "unknown";
  const [text, bars] = LEVELS[name];
  element.hidden = level === null;
  element.dataset.level = name;
  element.style.setProperty("--bars", bars);
  element.title = text;
  element.querySelector(".spoken").textContent = text;
}
