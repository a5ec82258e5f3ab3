// How requests ended, and why.
import { Rows, make, setPart, setText } from "./rows.js";
import { number, outcome, reason } from "./words.js";

function endRow() {
  const label = make("span");
  const why = make("small");
  const bar = make("div", { class: "meter", "aria-hidden": "true" });
  const [minute, start] = [make("td"), make("td")];
  const row = make("tr", {}, make("th", { scope: "row" }, label, " ", why, bar), minute, start);
  const fill = (entry) => {
    setText(label, outcome(entry.outcome));
    setText(why, reason(entry.reason));
    setText(minute, number(entry.minute));
    setText(start, number(entry.count));
    row.dataset.outcome = entry.outcome;
    setPart(bar, "--part", entry.part);
  };
  return { row, fill };
}

const rows = new Rows(document.getElementById("ends"), endRow);
const empty = document.getElementById("ends-empty");

export function showEnds(state) {
  const minute = new Map(state.last_minute.ends.map((end) => [`${end.outcome} ${end.reason}`, end.count]));
  const total = Math.max(1, state.last_minute.requests);
  const ends = state.since_start.map((end) => {
    const count = minute.get(`${end.outcome} ${end.reason}`) ?? 0;
    return { ...end, minute: count, part: count / total };
  });
  rows.show(ends);
  empty.hidden = ends.length > 0;
  rows.body.parentElement.hidden = ends.length === 0;
}
