// The figures at the top.
import { make, setPart, setText } from "./rows.js";
import { number, percent, seconds } from "./words.js";

class Tile {
  constructor(label, hasMeter) {
    this.value = make("span");
    this.meter = hasMeter ? make("div", { class: "meter", "aria-hidden": "true" }) : null;
    this.note = make("span", { class: "note" });
    const told = make("dd", {}, this.value, ...(this.meter ? [this.meter] : []), this.note);
    this.element = make("div", { class: "tile" }, make("dt", {}, label), told);
  }

  show(value, note, part = null) {
    setText(this.value, value);
    setText(this.note, note);
    if (this.meter) setPart(this.meter, "--part", part ?? 0);
  }
}

const tiles = {
  share: new Tile("In time, last minute", true),
  running: new Tile("In the engine", false),
  waiting: new Tile("Waiting", false),
  compute: new Tile("Compute", true),
  memory: new Tile("Memory", true),
  uplink: new Tile("Uplink", true),
  downlink: new Tile("Downlink", true),
  pace: new Tile("Pace", false),
};
document.getElementById("tiles").append(...Object.values(tiles).map((tile) => tile.element));

function showRadio(name, use) {
  const length = use[`${name}_seconds`];
  tiles[name].element.hidden = length === 0;
  tiles[name].show(percent(use[name]), `of phases of ${seconds(length)}, latest batch`, use[name]);
}

export function showTiles(state) {
  const { use, last_minute: minute } = state;
  tiles.share.show(percent(minute.in_time_share), `of ${number(minute.requests)} that ended`, minute.in_time_share);
  tiles.running.show(number(state.num_running), "requests");
  tiles.waiting.show(number(state.num_waiting), state.retry_after_seconds > 0 ? `next place in ${seconds(state.retry_after_seconds)}` : "");
  tiles.compute.show(percent(use.compute), "of the last 5 s", use.compute);
  tiles.memory.show(percent(use.memory), "weights, reserve, caches", use.memory);
  showRadio("uplink", use);
  showRadio("downlink", use);
  tiles.pace.show(`${state.pace.toFixed(2)} ×`, "true over believed step time");
}
