// The two plots, drawn by uPlot in the theme's colours.
import { percent } from "./words.js";

const MOST_POINTS = 600;
const HEIGHT = 220;
const BREAK_SECONDS = 5;

const colour = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

const FONT = "12px system-ui, sans-serif";

const axis = (extra) => ({
  stroke: colour("muted"),
  font: FONT,
  grid: { stroke: colour("line"), width: 1 },
  ticks: { show: false },
  ...extra,
});

function plot(id, options, data) {
  const place = document.getElementById(id);
  const made = new window.uPlot(
    { width: 300, height: HEIGHT, legend: { show: false }, cursor: { show: false }, ...options },
    data,
    place,
  );
  const fit = () => {
    if (place.clientWidth) made.setSize({ width: place.clientWidth, height: HEIGHT });
  };
  new ResizeObserver(fit).observe(place);
  window.addEventListener("theme", () => made.redraw(false));
  return { made, place };
}

/** The in-time share over the time that this page has been open. */
export class ShareChart {
  constructor() {
    this.at = [];
    this.share = [];
    const clock = (_, splits) => splits.map((at) => new Date(1000 * at).toTimeString().slice(0, 8));
    this.plot = plot(
      "share-chart",
      {
        scales: { y: { range: [0, 100] } },
        axes: [
          axis({ values: clock, space: 80, size: 30 }),
          axis({ values: (_, splits) => splits.map((part) => `${part} %`), size: 54, incrs: [25, 50] }),
        ],
        series: [
          {},
          { stroke: colour("good"), width: 2, fill: colour("good-soft"), points: { size: 4, fill: colour("good") } },
        ],
      },
      [[], []],
    );
  }

  add(at, share) {
    if (this.at.length && at - this.at.at(-1) > BREAK_SECONDS) {
      this.at.push(at - 1); // a line across the time in which nobody looked would be a guess
      this.share.push(null);
    }
    this.at.push(at);
    this.share.push(share === null ? null : 100 * share);
    const surplus = this.at.length - MOST_POINTS;
    if (surplus > 0) {
      this.at.splice(0, surplus);
      this.share.splice(0, surplus);
    }
    this.plot.made.setData([this.at, this.share]);
    this.plot.place.setAttribute("aria-label", `Line of the share in time; now ${percent(share)}`);
  }
}

const dots = (name, extra = {}) => ({
  paths: () => null,
  points: { show: true, size: 6, width: 1.5, stroke: colour(name), fill: colour(name), ...extra },
});

/** Recent answers, by predicted and by actual time. */
export class ScatterChart {
  constructor() {
    const values = (_, splits) => splits.map((value) => `${Number(value.toPrecision(3))} s`);
    const told = (label) => ({ values, label, labelSize: 18, labelFont: FONT });
    const fromZero = (_, __, most) => [0, most > 0 ? 1.05 * most : 1];
    this.told = document.getElementById("scatter-told");
    this.plot = plot(
      "scatter-chart",
      {
        scales: { x: { time: false, range: fromZero }, y: { range: fromZero } },
        axes: [
          axis({ ...told("predicted"), size: 28, space: 70 }),
          axis({ ...told("actual"), size: 48 }),
        ],
        series: [
          {},
          { stroke: colour("muted"), width: 1, dash: [5, 5], points: { show: false } },
          dots("good"),
          dots("muted", { fill: "transparent" }),
          dots("bad"),
        ],
      },
      [[], [], [], [], []],
    );
  }

  show(recent) {
    const answers = recent
      .filter((each) => each.actual_seconds !== null && each.predicted_seconds !== null)
      .sort((one, other) => one.predicted_seconds - other.predicted_seconds);
    const isShort = (each) => each.num_tokens < each.output_tokens;
    const actual = (holds) => [null, ...answers.map((each) => (holds(each) ? each.actual_seconds : null)), null];
    const most = Math.max(0, ...answers.flatMap((each) => [each.predicted_seconds, each.actual_seconds]));
    const predicted = [0, ...answers.map((each) => each.predicted_seconds), most];
    this.plot.made.setData([
      predicted,
      predicted,
      actual((each) => each.outcome === "in_time" && !isShort(each)),
      actual((each) => each.outcome === "in_time" && isShort(each)),
      actual((each) => each.outcome === "late"),
    ]);
    this.tell(answers.filter((each) => !isShort(each)), answers);
  }

  tell(whole, answers) {
    const errors = whole
      .map((each) => Math.abs(each.actual_seconds / each.predicted_seconds - 1))
      .sort((one, other) => one - other);
    const median = errors.length ? percent(errors[Math.floor(errors.length / 2)]) : "–";
    const late = answers.filter((each) => each.outcome === "late").length;
    const short = answers.length - whole.length;
    const sentence = answers.length
      ? `${answers.length} latest answers, ${late} of them late. Predicted when they joined: median error ${median}` +
        (short ? `, without the ${short} that ended before their limit (hollow).` : ".")
      : "No answer yet.";
    if (this.told.textContent !== sentence) this.told.textContent = sentence;
    this.plot.place.setAttribute("aria-label", `Actual against predicted time. ${sentence}`);
  }
}
