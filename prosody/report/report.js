// Draws the figures, in the page's own colours; follows light, dark and print.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--plot").trim();
  const config = { responsive: true, displaylogo: false, plotlyServerURL: "" };
  const drawn = [];
  window.reportDrawn = Promise.all(figures.map(async ({ data, layout }, k) => {
    const box = document.getElementById(`plot-${k}`);
    try {
      const font = { ...layout.font, color: ink() };
      await Plotly.newPlot(box, data, { ...layout, autosize: true, font }, config);
      drawn.push(box);
    } catch (error) {
      box.style.minHeight = "0";
      box.textContent = `This figure could not be drawn: ${error.message ?? error}`;
    }
  }));
  const paint = (color) => drawn.forEach((box) => Plotly.relayout(box, { "font.color": color }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(ink()));
  addEventListener("beforeprint", () => paint("#444"));
  addEventListener("afterprint", () => paint(ink()));
})();
