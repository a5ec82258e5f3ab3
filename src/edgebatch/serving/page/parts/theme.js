"use strict";
// Before the first paint: the theme that was chosen here, or the system's.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try { return window.localStorage.getItem("edgebatch-theme"); } catch { return null; }
  };
  const use = () => {
    const theme = kept() ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
  };
  system.addEventListener("change", () => { use(); window.dispatchEvent(new Event("theme")); });
  use();
})();
