// A line chart of values by step: the raw values faintly, their moving average clearly.
import { h, number, svg } from "./dom.js";

const HEIGHT = 208;
const MARGIN = { top: 8, right: 8, bottom: 22, left: 46 };
const POINTS = 400;

export class Chart {
  // `series`: [[label, key], ...]; `format` shows a value; `zero`: the scale starts at nought.
  constructor(element, series, { format = number, zero = false, smooth = true } = {}) {
    Object.assign(this, { series, format, zero, smooth, rows: [], hovered: null });
    this.legend = h("div", { class: "legend" });
    this.svg = svg("svg", { role: "img" });
    element.classList.add("chart");
    element.append(this.legend, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.hover(event));
    this.svg.addEventListener("pointerleave", () => this.hover(null));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  update(rows) {
    this.rows = rows;
    this.draw();
  }

  hover(event) {
    const [first, last] = [this.rows[0]?.step, this.rows.at(-1)?.step];
    if (!event || first === undefined) this.hovered = null;
    else {
      const box = this.svg.getBoundingClientRect();
      const width = box.width - MARGIN.left - MARGIN.right;
      const part = (event.clientX - box.left - MARGIN.left) / width;
      const step = first + part * (last - first);
      this.hovered = nearest(this.rows, step);
    }
    this.draw();
  }

  draw() {
    const width = this.svg.clientWidth;
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.drawLegend();
    const lines = this.series.map(([, key]) => thin(this.rows.filter((row) => key in row), key));
    const values = lines.flat().map((point) => point[1]).filter(Number.isFinite);
    if (!values.length) {
      this.svg.replaceChildren(svg("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" },
        "nothing measured yet"));
      return;
    }
    const ticks = scale(this.zero ? 0 : Math.min(...values), Math.max(...values));
    const [low, high] = [ticks[0], ticks.at(-1)];
    const [first, last] = [this.rows[0].step, this.rows.at(-1).step];
    const x = (step) => MARGIN.left
      + (width - MARGIN.left - MARGIN.right) * (last > first ? (step - first) / (last - first) : 0.5);
    const y = (value) => HEIGHT - MARGIN.bottom
      - (HEIGHT - MARGIN.top - MARGIN.bottom) * (high > low ? (value - low) / (high - low) : 0.5);
    this.svg.replaceChildren(
      ...ticks.flatMap((tick) => [
        svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
        svg("text", { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, this.format(tick)),
      ]),
      svg("text", { x: MARGIN.left, y: HEIGHT - 4 }, `step ${number(first)}`),
      svg("text", { x: width - MARGIN.right, y: HEIGHT - 4, "text-anchor": "end" }, number(last)),
      ...lines.flatMap((points, index) => this.line(points, index + 1, x, y)),
      ...(this.hovered ? [svg("line", { class: "cursor", x1: x(this.hovered.step),
        x2: x(this.hovered.step), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom })] : []));
  }

  line(points, place, x, y) {
    const draw = (values, kind) => toned(place, svg("path", { class: kind,
      d: values.map(([step, value], i) => `${i ? "L" : "M"}${x(step)} ${y(value)}`).join("") }));
    if (!this.smooth) return [draw(points, "smooth")];
    return [draw(points, "raw"), draw(averaged(points), "smooth")];
  }

  drawLegend() {
    const row = (key) => this.hovered ?? this.rows.findLast((each) => key in each) ?? {};
    this.legend.replaceChildren(
      ...this.series.map(([label, key], index) =>
        toned(index + 1, h("span", {}, `${label} `, h("b", {},
          key in row(key) ? this.format(row(key)[key]) : "–")))),
      this.hovered ? h("b", {}, `step ${number(this.hovered.step)}`) : "");
  }
}

// The first four are chosen by the theme; hues of any number of others lie far apart.
function toned(place, element) {
  const tone = place <= 4 ? `var(--series-${place})` : `hsl(${(place * 137.5) % 360} 55% 52%)`;
  element.style.setProperty("--tone", tone);
  return element;
}

function nearest(rows, step) {
  const distance = (row) => Math.abs(row.step - step);
  return rows.reduce((best, row) => (distance(row) < distance(best) ? row : best), rows[0]);
}

// At most POINTS points, each the mean of its neighbours.
function thin(rows, key) {
  const size = Math.max(1, Math.ceil(rows.length / POINTS));
  const points = [];
  for (let start = 0; start < rows.length; start += size) {
    const part = rows.slice(start, start + size);
    points.push([part.at(-1).step, part.reduce((sum, row) => sum + row[key], 0) / part.length]);
  }
  return points;
}

// The mean of the values around each, so that the line lags behind nothing.
function averaged(points) {
  const reach = Math.ceil(points.length / 40);
  return points.map(([step], at) => {
    const near = points.slice(Math.max(0, at - reach), at + reach + 1);
    return [step, near.reduce((sum, [, value]) => sum + value, 0) / near.length];
  });
}

// Round numbers that enclose the values, about five of them.
function scale(low, high) {
  if (high === low) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let index = Math.floor(low / step); index <= Math.ceil(high / step); index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}
