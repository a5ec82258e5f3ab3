// Asks the gateway once a second how it is, as long as someone looks.
import { ScatterChart, ShareChart } from "./charts.js";
import { showEnds } from "./ends.js";
import { running, waiting } from "./requests.js";
import { setText } from "./rows.js";
import { showServers } from "./servers.js";
import { showTiles } from "./tiles.js";
import { Busy, WhatIf } from "./what_if.js";
import { seconds } from "./words.js";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const KEY = "edgebatch-key";
const find = (id) => document.getElementById(id);

class NoKey extends Error {}

let key = "";
try { key = sessionStorage.getItem(KEY) ?? ""; } catch { /* it is asked for at each visit */ }

async function ask(path, patience = PATIENCE_MS) {
  const answer = await fetch(path, {
    headers: key ? { authorization: `Bearer ${key}` } : {},
    cache: "no-store",
    signal: AbortSignal.timeout(patience),
  });
  if (answer.status === 401) throw new NoKey();
  if (answer.status === 429) throw new Busy(Number(answer.headers.get("retry-after")) || 1);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

const BANNERS = {
  ready: ["good", "Ready", ""],
  starting: ["wait", "Starting", "The engine is being started."],
  "engine down": ["bad", "Engine down", "It is being started again; requests get 503 until then."],
  draining: ["wait", "Draining", "No new requests are taken; those that came in are finished."],
  stopped: ["bad", "Stopped", ""],
};

function showBanner(level, state, detail) {
  find("banner").dataset.level = level;
  setText(find("state"), state);
  setText(find("state-detail"), detail);
}

const shareChart = new ShareChart();
const scatterChart = new ScatterChart();
const whatIf = new WhatIf(ask);
let heardAt = null;

const nextFrame = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));

async function show(state) {
  showBanner(...(BANNERS[state.state] ?? ["bad", state.state, ""]));
  find("key-form").hidden = true;
  if (state.model === undefined) return;
  find("main").hidden = false;
  document.body.classList.remove("stale");
  setText(find("model"), state.model);
  document.title = `${state.num_running} run, ${state.num_waiting} wait · ${state.model} · edgebatch`;
  const hosted = state.precisions.map((each) => each.name).join(", ");
  const restarts = state.restarts ? ` · engine restarted ${state.restarts === 1 ? "once" : `${state.restarts} times`}` : "";
  setText(
    find("facts"),
    `${state.engine} · ${hosted} · ${state.policy} · up ${seconds(state.uptime_seconds)}${restarts}`,
  );
  const steps = [
    () => { showTiles(state); showEnds(state); showServers(state.servers); },
    () => running.show(state.running, state.num_running),
    () => waiting.show(state.waiting, state.num_waiting),
    () => shareChart.add(Date.now() / 1000, state.last_minute.in_time_share),
    () => scatterChart.show(state.recent),
  ];
  for (const step of steps) {
    step(); // a frame for each, so that hundreds of rows never hold up a key or a scroll
    await nextFrame();
  }
  whatIf.refreshIfDue();
}

function showFailure(error) {
  if (error instanceof NoKey) {
    showBanner("wait", "A key is needed", "");
    setText(find("key-told"), key ? "The gateway does not know this key." : find("key-told").textContent);
    find("main").hidden = true;
    find("key-form").hidden = false;
    find("key").focus();
    return;
  }
  const since = heardAt === null ? "" : ` for ${Math.round((Date.now() - heardAt) / 1000)} s`;
  showBanner("bad", "Connection lost", `Nothing heard${since}; asking again each second.`);
  document.body.classList.add("stale");
}

/** Ask once and show the answer; return whether there is any use in asking again. */
async function look() {
  let state;
  try {
    state = await ask("edgebatch/state");
  } catch (error) {
    showFailure(error);
    return !(error instanceof NoKey);
  }
  heardAt = Date.now();
  await show(state);
  return true;
}

let timer = null;
let isAsking = false;

async function poll() {
  clearTimeout(timer);
  if (isAsking || document.hidden) return;
  isAsking = true;
  const beganAt = performance.now();
  let goesOn = true;
  try {
    goesOn = await look();
  } finally {
    isAsking = false;
    if (goesOn) timer = setTimeout(poll, Math.max(200, EVERY_MS - (performance.now() - beganAt)));
  }
}

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = find("key").value.trim();
  find("key").value = "";
  try { sessionStorage.setItem(KEY, key); } catch { /* kept by this page alone */ }
  poll();
});

const root = document.documentElement;
const nameTheme = () => setText(find("theme"), root.dataset.theme === "dark" ? "Light" : "Dark");
find("theme").addEventListener("click", () => {
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("edgebatch-theme", root.dataset.theme); } catch { /* this page only */ }
  window.dispatchEvent(new Event("theme"));
});
window.addEventListener("theme", nameTheme);
nameTheme();

document.addEventListener("visibilitychange", poll);
poll();
