// What each precision would have done with the latest requests, or with more of them.
import { Rows, make, setPart, setText } from "./rows.js";
import { percent, rate, times } from "./words.js";

const EVERY_MS = 15000;
const PATIENCE_MS = 120000;
const PAUSE_MS = 300;

function precisionRow() {
  const name = make("th", { scope: "row" });
  const [quality, share, served] = [make("td"), make("td"), make("td")];
  const shareText = make("span");
  const bar = make("div", { class: "meter", "aria-hidden": "true" });
  share.append(shareText, bar);
  const fill = (entry) => {
    setText(name, entry.name);
    setText(quality, Number(entry.quality.toPrecision(4)).toString());
    setText(shareText, percent(entry.in_time_share));
    setText(served, rate(entry.served_per_second));
    setPart(bar, "--part", entry.in_time_share);
  };
  return { row: make("tr", {}, name, quality, share, served), fill };
}

/** The gateway simulates for somebody else. */
export class Busy extends Error {
  constructor(retryAfterSeconds) {
    super("busy");
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export class WhatIf {
  /** @param ask fetches a path of the gateway within so many milliseconds and returns its JSON. */
  constructor(ask) {
    this.ask = ask;
    this.load = document.getElementById("load");
    this.told = document.getElementById("what-if-told");
    this.rows = new Rows(document.getElementById("what-if"), precisionRow);
    this.dueAt = -Infinity;
    this.isWanted = false;
    this.isSeen = false;
    const note = (entries) => { this.isSeen = entries.at(-1).isIntersecting; };
    new IntersectionObserver(note).observe(this.load); // nothing is simulated for nobody
    this.number = 0;
    this.numOpen = 0;
    this.load.addEventListener("input", () => {
      this.showLoad();
      clearTimeout(this.pause);
      this.pause = setTimeout(() => this.refresh(true), PAUSE_MS);
    });
    this.showLoad();
  }

  get factor() {
    return 2 ** Number(this.load.value);
  }

  showLoad() {
    const text = this.factor === 1 ? "as they did" : `${times(this.factor)} as fast`;
    setText(document.getElementById("load-told"), text);
    this.load.setAttribute("aria-valuetext", text);
  }

  /** Ask again if the answer has become old, or there was none because the gateway was busy. */
  refreshIfDue() {
    if (this.isSeen && !this.numOpen && performance.now() > this.dueAt) this.refresh(this.isWanted);
  }

  async refresh(isWanted) {
    this.dueAt = performance.now() + EVERY_MS;
    this.isWanted = isWanted;
    this.number += 1;
    const { number, factor } = this;
    let answer;
    this.numOpen += 1;
    try {
      answer = await this.ask(`edgebatch/what-if?load_factor=${factor}`, PATIENCE_MS);
    } catch (error) {
      if (error instanceof Busy && number === this.number) this.wait(error.retryAfterSeconds);
      return; // the poll of the state tells what else is wrong
    } finally {
      this.numOpen -= 1;
    }
    if (number !== this.number) return; // the slider has moved on
    this.isWanted = false;
    const sentence = this.sentence(answer, factor);
    setText(this.told, sentence);
    this.rows.show(answer.precisions);
    this.rows.body.parentElement.hidden = answer.precisions.length === 0;
    if (isWanted) setText(document.getElementById("announcement"), sentence);
  }

  wait(seconds) {
    this.dueAt = performance.now() + Math.min(1000 * seconds, EVERY_MS);
    if (this.isWanted || !this.told.textContent) {
      setText(this.told, "The gateway is busy with another simulation; it will be asked again.");
    }
  }

  sentence(answer, factor) {
    if (!answer.precisions.length) return "Too few requests have ended yet.";
    const best = answer.precisions.reduce((one, other) =>
      other.in_time_share > one.in_time_share ? other : one,
    );
    const load = `${factor === 1 ? "At this load" : "At that load"} (${rate(answer.rate_per_second)}, by the latest ${answer.requests})`;
    return `${load} ${best.name} would serve ${percent(best.in_time_share)} in time.`;
  }
}
