// Who runs and who waits.
import { Rows, make, nameCell, setPart, setText } from "./rows.js";
import { number, seconds } from "./words.js";

const cells = (count) => Array.from({ length: count }, () => make("td", { role: "cell" }));

function runningRow() {
  const name = nameCell();
  const [tokens, ends, due, spare] = cells(4);
  const tokensBar = make("div", { class: "progress tokens" });
  const timeBar = make("div", { class: "progress time" }, make("i"));
  const bars = make("td", { role: "cell", class: "bars", "aria-hidden": "true" }, tokensBar, timeBar);
  const row = make("tr", { role: "row" }, name.cell, tokens, bars, ends, due, spare);
  const fill = (entry) => {
    name.fill(entry);
    setText(tokens, `${entry.num_tokens} / ${entry.output_tokens}`);
    setText(ends, seconds(entry.believed_end_in_seconds));
    setText(due, seconds(entry.deadline_in_seconds));
    const left = entry.deadline_in_seconds - Math.max(0, entry.believed_end_in_seconds);
    setText(spare, seconds(left));
    row.classList.toggle("late", left < 0);
    setPart(tokensBar, "--part", entry.num_tokens / Math.max(1, entry.output_tokens));
    const whole = Math.max(1e-3, entry.age_seconds + entry.deadline_in_seconds);
    setPart(timeBar, "--part", entry.age_seconds / whole);
    setPart(timeBar, "--mark", (entry.age_seconds + entry.believed_end_in_seconds) / whole);
  };
  return { row, fill };
}

function waitingRow() {
  const name = nameCell();
  const [prompt, answer, waited, due, last] = cells(5);
  const row = make("tr", { role: "row" }, name.cell, prompt, answer, waited, due, last);
  const fill = (entry) => {
    name.fill(entry);
    setText(prompt, number(entry.prompt_tokens));
    setText(answer, number(entry.output_tokens));
    setText(waited, seconds(entry.waited_seconds));
    setText(due, seconds(entry.deadline_in_seconds));
    setText(last, seconds(entry.last_chance_in_seconds));
  };
  return { row, fill };
}

/** A list of requests with its heading's count and its word for nobody. */
class List {
  constructor(id, create) {
    this.rows = new Rows(document.getElementById(id), create);
    this.count = document.getElementById(`${id}-count`);
    this.empty = document.getElementById(`${id}-empty`);
    this.scroll = this.rows.body.closest(".scroll");
  }

  show(entries, total) {
    this.rows.show(entries);
    const isPart = entries.length < total;
    setText(this.count, isPart ? `${number(total)}, the first ${entries.length} shown` : number(total));
    this.empty.hidden = entries.length > 0;
    this.scroll.hidden = entries.length === 0;
  }
}

export const running = new List("running", runningRow);
export const waiting = new List("waiting", waitingRow);
