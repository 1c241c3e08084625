// Level meters: RMS of full scale in, a bar from -60 to 0 dB out. Falls slower than it rises, as meters do.

const FLOOR_DB = -60;
const FALL_DB = 2.5; // per reading; 20 readings a second

export class Meter {
  #element;
  #db = FLOOR_DB;

  constructor(element) {
    this.#element = element;
    this.show(0);
  }

  show(rms) {
    const db = rms > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(rms)) : FLOOR_DB;
    this.#db = Math.max(db, this.#db - FALL_DB, FLOOR_DB);
    this.#element.style.setProperty("--level", (1 - this.#db / FLOOR_DB).toFixed(3));
    this.#element.setAttribute("aria-valuenow", this.#db.toFixed(0));
    this.#element.setAttribute("aria-valuetext", this.#db <= FLOOR_DB ? "silent" : `${this.#db.toFixed(0)} dB`);
  }

  clear() {
    this.#db = FLOOR_DB;
    this.show(0);
  }
}
