// The servers, where there are several.
import { Rows, make, setText } from "./rows.js";
import { number, percent } from "./words.js";

function serverRow() {
  const name = make("span");
  const precision = make("small");
  const [state, running, memory, pace] = Array.from({ length: 4 }, () => make("td"));
  const row = make("tr", {}, make("th", { scope: "row" }, name, " ", precision), state, running, memory, pace);
  const fill = (entry) => {
    setText(name, entry.name);
    setText(precision, entry.precision);
    const times = entry.restarts ? `, lost ${entry.restarts === 1 ? "once" : `${entry.restarts} times`}` : "";
    setText(state, entry.is_running ? `runs${times}` : "away");
    row.classList.toggle("away", !entry.is_running);
    setText(running, number(entry.num_running));
    setText(memory, percent(entry.memory));
    setText(pace, `${entry.pace.toFixed(2)} ×`);
  };
  return { row, fill };
}

const rows = new Rows(document.getElementById("servers"), serverRow);
const card = document.getElementById("servers-card");

export function showServers(servers) {
  card.hidden = servers.length === 0;
  rows.show(servers);
}
