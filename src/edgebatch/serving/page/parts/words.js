// Figures and outcomes as people read them.

const OUTCOMES = {
  in_time: "In time",
  late: "Late",
  rejected: "Rejected",
  expired: "Expired",
  failed: "Failed",
  cancelled: "Cancelled",
};
const REASONS = {
  quality: "no precision is good enough",
  memory: "it does not fit the memory",
  deadline: "its deadline is too short for any answer",
  queue_full: "too many were waiting",
  radio: "no channel could carry it",
  waited_too_long: "it could no longer be in time",
  engine: "the engine broke",
  client_gone: "the client went away",
};

export const outcome = (name) => OUTCOMES[name] ?? name;
export const reason = (name) => (name === "none" ? "" : (REASONS[name] ?? name));

/** Return a time in seconds with two to three digits and its unit; a dash for none. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size < 0.9995) return `${sign}${Math.round(1000 * size)} ms`;
  if (size < 9.995) return `${sign}${size.toFixed(2)} s`;
  if (size < 99.95) return `${sign}${size.toFixed(1)} s`;
  if (size < 600) return `${sign}${Math.round(size)} s`;
  return size < 36000 ? `${sign}${Math.round(size / 60)} min` : `${sign}${Math.round(size / 3600)} h`;
}

/** Return a part of one in per cent; a dash for none. */
export function percent(part) {
  if (part === null || part === undefined) return "–";
  if (part === 0 || part >= 1) return `${100 * Math.min(1, part)} %`;
  const shown = Math.min(99.9, 100 * part); // 99.96 % is not all of them
  return `${shown.toFixed(shown < 10 || shown > 90 ? 1 : 0)} %`;
}

export const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));

/** Return a rate with three digits. */
export const rate = (value) =>
  value === null || value === undefined ? "–" : `${Number(value.toPrecision(3))}/s`;

export const times = (factor) => `${Number(factor.toPrecision(2))} ×`;
