// Charts of the last two minutes: frames a second, where the time goes, and drops by cause.

import { element } from "./dom.js";

const WINDOW_S = 120;
const HEIGHT = 120;

const CHARTS = [
  { title: "Frames a second", digits: 1, series: [["painted", "--accent"]], least: 1 },
  { title: "Milliseconds a frame", digits: 1, series: [["network", "--accent"], ["around it", "--second"]], least: 1 },
  { title: "Drops a second", digits: 1, series: [["painting busy", "--accent"], ["newer came", "--second"], ["outputs", "--third"]], least: 1 },
];

export class Charts {
  #box;
  #charts = [];
  #times = [];
  #values = CHARTS.map(({ series }) => series.map(() => []));
  #drops;

  constructor(box) {
    this.#box = box;
    this.#draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** Forgets everything: another stream, or another run of the daemon. */
  clear() {
    this.#times = [];
    this.#values = CHARTS.map(({ series }) => series.map(() => []));
    this.#drops = undefined;
  }

  /** Takes the state of the stream at this moment; more often than twice a second is left out. */
  note({ fps, counts, outputs }) {
    const now = performance.now() / 1000;
    if (now - this.#times.at(-1) < 0.4) return;
    const byOutputs = outputs.reduce((sum, { dropped }) => sum + dropped, 0);
    const drops = { now, counted: [counts.dropped_busy, counts.dropped_stale, byOutputs] };
    const last = this.#drops ?? drops;
    const passed = Math.max(now - last.now, 0.1);
    const rates = drops.counted.map((count, at) => Math.max(0, count - last.counted[at]) / passed);
    this.#drops = drops;

    this.#times.push(now);
    [[fps], [counts.inference_ms, counts.tensor_ms], rates].forEach((values, chart) =>
      values.forEach((value, series) => this.#values[chart][series].push(value)));
    const old = this.#times.findIndex((time) => time >= now - WINDOW_S);
    this.#times.splice(0, old);
    this.#values.flat().forEach((values) => values.splice(0, old));
    this.#show();
  }

  #show() {
    const now = this.#times.at(-1);
    const ago = this.#times.map((time) => time - now);
    this.#charts.forEach(({ plot, figures }, chart) => {
      plot.setData([ago, ...this.#values[chart]]);
      figures.forEach((figure, series) => {
        figure.textContent = (this.#values[chart][series].at(-1) ?? 0).toFixed(CHARTS[chart].digits);
      });
    });
  }

  #draw() {
    this.#charts.forEach(({ plot, watch }) => {
      plot.destroy();
      watch.disconnect();
    });
    this.#box.replaceChildren();
    const style = getComputedStyle(document.documentElement);
    this.#charts = CHARTS.map((chart) => make(this.#box, chart, (name) => style.getPropertyValue(name).trim()));
    if (this.#times.length) this.#show();
  }
}

function make(parent, { title, series, least }, colour) {
  const box = element("figure");
  const caption = element("figcaption", {}, title);
  const figures = series.map(([name, tint]) => {
    const label = element("span", {}, ` ${name}`);
    const figure = element("b", {}, "–");
    label.style.setProperty("--tint", `var(${tint})`);
    label.prepend(figure);
    caption.append(label);
    return figure;
  });
  const room = element("div");
  box.append(caption, room);
  parent.append(box);

  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const plot = new uPlot({
    width: Math.max(room.clientWidth, 100),
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    padding: [6, 16, 0, 0],
    scales: {
      x: { time: false, range: [-WINDOW_S, 0] },
      y: { range: (_, low, high) => [0, Math.max(least, high * 1.15)] },
    },
    axes: [
      { ...axis, size: 22, splits: () => [-120, -90, -60, -30, 0], values: (_, all) => all.map((s) => (s ? `−${-s} s` : "now")) },
      { ...axis, size: 38, space: 34 },
    ],
    series: [{}, ...series.map(([label, tint]) => ({ label, stroke: colour(tint), width: 2, points: { show: false } }))],
  }, [[], ...series.map(() => [])], room);
  const watch = new ResizeObserver(() => plot.setSize({ width: Math.max(room.clientWidth, 100), height: HEIGHT }));
  watch.observe(room);
  return { plot, figures, watch };
}
