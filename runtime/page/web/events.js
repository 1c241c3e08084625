// Parses one event from one data packet and checks it against the schema that harness/model/events.py generates.
// events.schema.json is a committed copy of it; a contract test gives both sides the same samples.

import { Problem } from "./problems.js";

export const TOPIC = "earwitness.v1";
const MAX_EVENT_BYTES = 14_000;
const NEED_REPLY_SEQ = new Set(["reply_start", "reply_end"]);

export async function loadSchema() {
  const answer = await fetch(new URL("events.schema.json", import.meta.url)).catch((cause) => {
    throw new Problem("server_gone", { cause });
  });
  if (!answer.ok) throw new Problem("unexpected", { detail: `events.schema.json: HTTP status ${answer.status}` });
  return answer.json();
}

/** The event in `payload` (Uint8Array). Throws an Error that says which field is wrong. */
export function parseEvent(payload, schema) {
  if (payload.length > MAX_EVENT_BYTES) throw new Error(`event of ${payload.length} bytes, the limit is ${MAX_EVENT_BYTES}`);
  // A byte order mark is no JSON: the decoder must not swallow it.
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
  const event = JSON.parse(text, refuseHalfCharacters);
  const problem = findProblem(event, schema, schema, "event");
  if (problem) throw new Error(problem);
  if (!Number.isFinite(event.t_ms)) throw new Error("t_ms: must be finite");
  if (NEED_REPLY_SEQ.has(event.type) && (event.reply_seq ?? null) === null) {
    throw new Error(`reply_seq: missing in ${event.type}`);
  }
  return { reply_seq: null, data: {}, ...event };
}

function refuseHalfCharacters(key, value) {
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) throw new Error("not well-formed text");
  return value;
}

/** Why `value` does not fit `rule`, or null. Throws on a keyword that our schema does not use. */
export function findProblem(value, rule, root, place) {
  for (const [keyword, wanted] of Object.entries(rule)) {
    if (ANNOTATIONS.has(keyword)) continue;
    const check = CHECKS[keyword];
    if (!check) throw new Error(`events.schema.json uses "${keyword}", which events.js does not know`);
    const problem = check(value, wanted, { root, place, rule });
    if (problem) return problem;
  }
  return null;
}

const ANNOTATIONS = new Set(["$defs", "title", "description", "default"]);

const TYPES = {
  string: (value) => typeof value === "string",
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === "number",
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  null: (value) => value === null,
};

const isObject = TYPES.object;
const isText = TYPES.string;
const characters = (text) => [...text].length;

const CHECKS = {
  $ref(value, pointer, { root, place }) {
    const rule = pointer.replace("#/", "").split("/").reduce((node, name) => node[name], root);
    return findProblem(value, rule, root, place);
  },
  type: (value, type, { place }) => (TYPES[type](value) ? null : `${place}: must be ${type}`),
  const: (value, only, { place }) => (value === only ? null : `${place}: must be ${only}`),
  enum: (value, allowed, { place }) => (allowed.includes(value) ? null : `${place}: must be one of ${allowed.join(", ")}`),
  anyOf(value, rules, { root, place }) {
    const problems = rules.map((rule) => findProblem(value, rule, root, place));
    return problems.includes(null) ? null : problems[0];
  },
  pattern: (value, pattern, { place }) =>
    !isText(value) || new RegExp(pattern, "u").test(value) ? null : `${place}: must look like ${pattern}`,
  minLength: (value, least, { place }) =>
    !isText(value) || characters(value) >= least ? null : `${place}: shorter than ${least} characters`,
  maxLength: (value, most, { place }) =>
    !isText(value) || characters(value) <= most ? null : `${place}: longer than ${most} characters`,
  minimum: (value, least, { place }) =>
    typeof value !== "number" || value >= least ? null : `${place}: must be at least ${least}`,
  required(value, names, { place }) {
    const missing = isObject(value) && names.find((name) => !Object.hasOwn(value, name));
    return missing ? `${inside(place, missing)}: missing` : null;
  },
  properties(value, rules, { root, place }) {
    if (!isObject(value)) return null;
    for (const [name, rule] of Object.entries(rules)) {
      if (!Object.hasOwn(value, name)) continue;
      const problem = findProblem(value[name], rule, root, inside(place, name));
      if (problem) return problem;
    }
    return null;
  },
  additionalProperties(value, allowed, { place, rule }) {
    if (allowed === true || !isObject(value)) return null;
    const extra = Object.keys(value).find((name) => !Object.hasOwn(rule.properties ?? {}, name));
    return extra === undefined ? null : `${inside(place, extra)}: unknown`;
  },
};

const inside = (place, name) => (place === "event" ? name : `${place}.${name}`);
