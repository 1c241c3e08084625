// One call: joins the room, publishes the microphone, plays the agent, hands on its events. The browser asks for the
// microphone during the join, so neither waits for the other. The only data sent is that the person stops the agent.

import { TOPIC, parseEvent } from "./events.js";
import { Problem, asProblem, microphoneProblem } from "./problems.js";

const { ConnectionError, ConnectionErrorReason, DisconnectReason, Room, RoomEvent, Track, TrackEvent, createLocalAudioTrack } =
  window.LivekitClient ?? {};

/** Events: "connection" {state}, "microphone" {state, track?}, "agent-track" {track, on}, "event" {event, from},
 *  "malformed" {reason}, "playback" {allowed}, "quality" {level}, "mark" {name, t_ms}, "ended" {problem | null}.
 *  "microphone" comes again when another device takes over: its state is then "changed", or "lost" if none does. */
export class Call extends EventTarget {
  #room = new Room();
  #schemaToCome;
  #schema = null;
  #microphone = null;
  #joined = false;
  #ended = false;
  #muted = false;
  #sent = 0;

  /** `schema`: a promise of the events' schema. */
  constructor(schema) {
    super();
    this.#schemaToCome = schema;
    this.#listen();
  }

  /** `pass`: a promise of {livekit_url, token}. Resolves when the user is heard in the room, or the call has ended. */
  async start(pass, deviceId) {
    const joining = this.#join(pass);
    try {
      await Promise.all([joining, this.#speak(joining, deviceId)]);
    } catch (error) {
      await this.end(asProblem(error));
    }
  }

  async #join(pass) {
    this.#tell("connection", { state: "connecting" });
    const { livekit_url, token } = await pass;
    this.#schema = await this.#schemaToCome;
    if (this.#ended) return;
    this.#mark("t_connect_started");
    try {
      await this.#room.connect(livekit_url, token);
    } catch (error) {
      throw joinProblem(error);
    }
    if (this.#ended) return;
    this.#joined = true;
    this.#mark("t_connected");
    this.#tell("connection", { state: "connected" });
  }

  async #speak(joining, deviceId) {
    if (!navigator.mediaDevices) throw new Problem("insecure_page");
    this.#tell("microphone", { state: "asked" });
    this.#mark("t_microphone_requested");
    let track;
    try {
      // livekit-client's defaults, as any page has them: echo cancellation, noise suppression, automatic gain.
      track = await createLocalAudioTrack(deviceId ? { deviceId: { exact: deviceId } } : {});
    } catch (error) {
      throw microphoneProblem(error);
    }
    if (this.#ended) return track.stop(); // the call ended while the browser asked
    this.#microphone = track;
    this.#mark("t_microphone_granted");
    const tellTrack = (state) => this.#tell("microphone", { state, track: track.mediaStreamTrack });
    track.on(TrackEvent.Restarted, () => tellTrack("changed")); // another device is another MediaStreamTrack
    // When a device is pulled out, livekit-client tries the system's default, and mutes if there is none.
    track.on(TrackEvent.Muted, () => this.#muted || this.#ended || this.#tell("microphone", { state: "lost" }));
    tellTrack("live");
    await joining;
    if (this.#ended) return undefined;
    await this.#room.localParticipant.publishTrack(track, { source: Track.Source.Microphone });
    return this.#mark("t_microphone_published");
  }

  /** Throws a Problem; the microphone in use then goes on. */
  async chooseMicrophone(deviceId) {
    try {
      await this.#microphone?.setDeviceId({ exact: deviceId || "default" });
    } catch (error) {
      throw microphoneProblem(error);
    }
  }

  /** The device in use, as the browser may have chosen another one by itself; "" if it does not say. */
  async microphoneId() {
    return (await this.#microphone?.getDeviceId()) ?? "";
  }

  async setMuted(muted) {
    this.#muted = muted;
    await (muted ? this.#microphone?.mute() : this.#microphone?.unmute());
  }

  /** On a click the browser lets the agent play. */
  async allowPlayback() {
    await this.#room.startAudio();
  }

  /** Tell the agent to stop speaking. `about`: an event of this agent, whose identity the message takes. */
  async interrupt(about) {
    const { trace_id, run_id, case_id, attempt } = about;
    const event = { v: 1, type: "interrupt", trace_id, run_id, case_id, attempt, seq: this.#sent++, t_ms: performance.now() };
    const sender = this.#room.localParticipant.identity;
    const message = { ...event, clock: { id: `page:${sender}`, kind: "performance.now" }, sender };
    await this.#room.localParticipant.publishData(new TextEncoder().encode(JSON.stringify(message)), { reliable: true, topic: TOPIC });
  }

  async end(problem = null) {
    if (this.#ended) return;
    this.#ended = true;
    this.#microphone?.stop();
    await this.#room.disconnect();
    this.#tell("ended", { problem });
  }

  #listen() {
    this.#room
      .on(RoomEvent.TrackSubscribed, (track) => this.#play(track))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.#stopPlaying(track))
      .on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => this.#read(payload, participant, topic))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#tell("playback", { allowed: this.#room.canPlaybackAudio }))
      .on(RoomEvent.ConnectionQualityChanged, (level, participant) => participant.isLocal && this.#tell("quality", { level }))
      .on(RoomEvent.Reconnecting, () => this.#tell("connection", { state: "reconnecting" }))
      .on(RoomEvent.SignalReconnecting, () => this.#tell("connection", { state: "reconnecting" }))
      .on(RoomEvent.Reconnected, () => this.#tell("connection", { state: "connected" }))
      .on(RoomEvent.Disconnected, (reason) => this.#lost(reason));
  }

  #play(track) {
    if (track.kind !== Track.Kind.Audio) return;
    this.#mark("t_agent_track_subscribed");
    // Chromium pulls a remote track (and its jitter buffer) only while an element plays it.
    document.body.append(track.attach());
    this.#tell("agent-track", { track: track.mediaStreamTrack, on: true });
  }

  #stopPlaying(track) {
    for (const element of track.detach()) element.remove();
    this.#tell("agent-track", { track: track.mediaStreamTrack, on: false });
  }

  #read(payload, participant, topic) {
    if (topic !== TOPIC) return;
    try {
      this.#tell("event", { event: parseEvent(payload, this.#schema), from: participant?.identity ?? "" });
    } catch (error) {
      this.#tell("malformed", { reason: error.message });
    }
  }

  #lost(reason) {
    if (this.#ended || !this.#joined) return; // a failed join says so itself, and knows why
    const codes = {
      [DisconnectReason.DUPLICATE_IDENTITY]: "replaced",
      [DisconnectReason.ROOM_DELETED]: "room_closed",
      [DisconnectReason.ROOM_CLOSED]: "room_closed",
      [DisconnectReason.PARTICIPANT_REMOVED]: "removed",
    };
    this.end(new Problem(codes[reason] ?? "call_lost", { detail: DisconnectReason[reason] ?? "" }));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #mark(name) {
    this.#tell("mark", { name, t_ms: performance.now() });
  }
}

export const hasLibrary = () => window.LivekitClient !== undefined;

function joinProblem(error) {
  const isRefused = error instanceof ConnectionError && error.reason === ConnectionErrorReason.NotAllowed;
  return new Problem(isRefused ? "token_refused" : "media_unreachable", { cause: error });
}
