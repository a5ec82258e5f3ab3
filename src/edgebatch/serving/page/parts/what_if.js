// What each precision would have done with the latest requests, or with more of them.
import { Rows, make, setPart, setText } from "./rows.js";
import { percent, rate, times } from "./words.js";

const EVERY_MS = 15000;
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

export class WhatIf {
  /** @param ask fetches a path of the gateway and returns its JSON. */
  constructor(ask) {
    this.ask = ask;
    this.load = document.getElementById("load");
    this.told = document.getElementById("what-if-told");
    this.rows = new Rows(document.getElementById("what-if"), precisionRow);
    this.askedAt = -Infinity;
    this.isSeen = false;
    const note = (entries) => { this.isSeen = entries.at(-1).isIntersecting; };
    new IntersectionObserver(note).observe(this.load); // nothing is simulated for nobody
    this.number = 0;
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

  /** Ask again if the answer has become old. */
  refreshIfOld() {
    if (this.isSeen && performance.now() - this.askedAt > EVERY_MS) this.refresh(false);
  }

  async refresh(isWanted) {
    this.askedAt = performance.now();
    this.number += 1;
    const { number, factor } = this;
    let answer;
    try {
      answer = await this.ask(`edgebatch/what-if?load_factor=${factor}`);
    } catch {
      return; // the poll of the state tells what is wrong
    }
    if (number !== this.number) return; // the slider has moved on
    const sentence = this.sentence(answer, factor);
    setText(this.told, sentence);
    this.rows.show(answer.precisions);
    this.rows.body.parentElement.hidden = answer.precisions.length === 0;
    if (isWanted) setText(document.getElementById("announcement"), sentence);
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
