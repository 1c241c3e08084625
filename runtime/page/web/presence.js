// Is the agent there? One that goes away in a call may come back; one that stays away for too long counts as gone.

const AWAY_MS = 25_000; // the supervisor brings a dead agent back long before that

/** Calls `onGone` when the agent has been away for too long, `onChange(isAway)` when it goes or comes back. */
export class Presence {
  #timer = null;
  #wasThere = false;
  #onGone;
  #onChange;
  #awayMs;

  constructor(onChange, onGone, awayMs = AWAY_MS) {
    this.#onChange = onChange;
    this.#onGone = onGone;
    this.#awayMs = awayMs;
  }

  /** `isConnected`: our own connection stands; without it the agent is not to blame. */
  see(isThere, isConnected) {
    if (isThere) this.#wasThere = true;
    const isAway = this.#wasThere && !isThere && isConnected;
    if (isAway === (this.#timer !== null)) return;
    if (isAway) this.#timer = setTimeout(this.#onGone, this.#awayMs);
    else this.stop();
    this.#onChange(isAway);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
