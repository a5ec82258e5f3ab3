"use strict";
// Plots in the theme's colours, series that can be hidden everywhere at once, settings, sorting.
(() => {
  const root = document.documentElement;
  const toDark = JSON.parse(document.getElementById("dark").textContent);
  const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isTouch = window.matchMedia("(pointer: coarse)").matches;
  const hiddenSeries = new Set();
  let printing = false;

  const isDark = () =>
    !printing && (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);

  function figureOf(plot) {
    let text = document.getElementById(plot.dataset.figure).textContent;
    if (isDark()) {
      for (const [light, dark] of Object.entries(toDark)) text = text.replaceAll(light, dark);
    }
    const figure = JSON.parse(text);
    for (const trace of figure.data) {
      if (trace.meta && hiddenSeries.has(trace.meta.series)) trace.visible = false;
    }
    figure.layout.dragmode = isTouch ? false : "zoom";
    return figure;
  }

  function draw(plot) {
    const figure = figureOf(plot);
    plot.dataset.drawn = isDark() ? "dark" : "light";
    return Plotly.react(plot, figure.data, figure.layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: isTouch ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
  }

  const plots = [...document.querySelectorAll(".plot")];
  const isShown = (plot) => plot.offsetParent !== null;
  const redraw = () => plots.filter((plot) => plot.dataset.drawn && isShown(plot)).forEach(draw);

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
      }
    },
    { rootMargin: "600px" },
  );
  plots.forEach((plot) => watcher.observe(plot));

  // theme
  const kept = (() => { try { return window.localStorage; } catch { return null; } })();
  function useTheme(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    redraw();
  }
  document.getElementById("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    useTheme(theme);
    try { kept?.setItem("edgebatch-theme", theme); } catch { /* only this page remembers */ }
  });
  systemDark.addEventListener("change", redraw);
  try { useTheme(kept?.getItem("edgebatch-theme")); } catch { /* nothing was kept */ }

  // series
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-series]");
    if (!button) return;
    const series = button.dataset.series;
    if (!hiddenSeries.delete(series)) hiddenSeries.add(series);
    for (const other of document.querySelectorAll("button[data-series]")) {
      if (other.dataset.series === series) {
        other.setAttribute("aria-pressed", String(!hiddenSeries.has(series)));
      }
    }
    redraw();
  });

  // settings
  const setting = document.getElementById("setting");
  function chooseSetting() {
    for (const card of document.querySelectorAll("[data-setting]")) {
      card.hidden = card.dataset.setting !== setting.value;
    }
    plots.filter((plot) => plot.dataset.drawn && isShown(plot)).forEach(draw);
  }
  if (setting) {
    setting.addEventListener("change", chooseSetting);
    chooseSetting();
  }

  // sorting
  function orderOf(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.order === undefined) return null; // empty cells come last either way
    return cell.classList.contains("number") ? Number(cell.dataset.order) : cell.dataset.order;
  }
  function compare(one, other) {
    if (typeof one === typeof other && one !== null) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === "number" ? -1 : typeof other === "number" ? 1 : 0;
  }
  function sort(heading) {
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const rows = [...table.tBodies[0].rows];
    const firstNumber = rows.some((row) => row.cells[column].classList.contains("number"));
    const before = heading.getAttribute("aria-sort");
    const order = before === "none" ? (firstNumber ? "descending" : "ascending")
      : before === "ascending" ? "descending" : "ascending";
    for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    rows.sort((one, other) => {
      const [left, right] = [orderOf(one, column), orderOf(other, column)];
      if (left === null || right === null) return (left === null) - (right === null);
      return sign * compare(left, right);
    });
    table.tBodies[0].append(...rows);
  }
  document.addEventListener("click", (event) => {
    const heading = event.target.closest?.("th");
    if (heading && event.target.closest("button")) sort(heading);
  });

  // paper: every plot, in the colours of light ground
  window.addEventListener("beforeprint", () => {
    printing = true;
    plots.filter(isShown).forEach(draw);
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    redraw();
  });
})();
