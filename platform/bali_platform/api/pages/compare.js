// Any number of jobs side by side: their curves, the settings that differ, what they came to.
import { get } from "./client.js";
import { Chart } from "./chart.js";
import { $, duration, h, number, percent } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const AGAIN_AFTER_MS = 5000;
const ids = new URLSearchParams(location.search).getAll("job");
const query = new URLSearchParams(ids.map((id) => ["job", id]));
const CHARTS = {
  Loss: ["loss", {}],
  "Loss on held-out sentences": ["dev/loss", {}],
  "Linking of held-out mentions": ["dev/linking/acc@1", { zero: true, format: percent }],
  "Alignment within a batch": ["alignment/top1", { zero: true, format: percent }],
  "Sentences a second": ["sentences_s", { zero: true }],
};
let charts = [];

shell("Jobs");
document.title = "Runs side by side · BALI";
$("main").append(
  h("div", { class: "head" }, h("h1", { class: "grow" }, "Runs side by side")),
  h("div", { class: "stack" },
    h("div", { class: "halves", id: "charts" }),
    h("section", { class: "card" }, h("div", { class: "scroll", id: "table" }))));

function show({ jobs, settings }) {
  if (!charts.length) openCharts(jobs);
  for (const [key, chart] of charts) chart.update(overlaid(jobs, key));
  const told = (value) => (value == null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const metrics = [...new Set(jobs.flatMap((job) => Object.keys(job.metrics)))];
  const rows = [
    ["state", jobs.map((job) => h("span", { class: `badge ${job.state}` }, job.state))],
    ["step", jobs.map((job) => (job.total ? `${number(job.step)} of ${number(job.total)}` : "–"))],
    ["time", jobs.map((job) => (job.minutes == null ? "–" : duration(60 * job.minutes)))],
    ["left, about", jobs.map(left)],
    ...Object.entries(settings).map(([name, values]) => [name, values.map(told)]),
    ...metrics.map((name) => [name, jobs.map((job) => measured(job.metrics[name]))]),
  ];
  $("#table").replaceChildren(h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, "Job"), jobs.map((job) => h("th", {},
      h("a", { href: `job.html?id=${job.id}` }, job.name), h("div", { class: "soft mono" }, job.id))))),
    h("tbody", {}, rows.map(([name, cells]) =>
      h("tr", {}, h("td", { class: "soft" }, name), cells.map((cell) => h("td", { class: "number" }, cell)))))));
}

function left({ state, step, total, minutes }) {
  return state === "running" && step && minutes ? duration((60 * minutes * (total - step)) / step) : "–";
}

function measured(found) {
  return found ? `${number(found.last)}, best ${number(found.best)} at ${number(found.step)}` : "–";
}

function openCharts(jobs) {
  const series = jobs.map((job) => [`${job.name} ${job.id}`, job.id]);
  charts = Object.entries(CHARTS).map(([title, [key, options]]) => {
    const place = h("div", {});
    $("#charts").append(h("section", { class: "card" }, h("h2", {}, title), place));
    return [key, new Chart(place, series, options)];
  });
}

// One row a step, with a value for each job that has one.
function overlaid(jobs, key) {
  const steps = new Map();
  for (const { id, curve } of jobs) {
    for (const row of curve.filter((each) => key in each)) {
      steps.set(row.step, { ...steps.get(row.step), step: row.step, [id]: row[key] });
    }
  }
  return [...steps.values()].sort((a, b) => a.step - b.step);
}

// Asks again and again: a stream for each job would soon be more than a browser opens.
async function refresh() {
  try {
    const found = await get(`/jobs/comparison?${query}`);
    show(found);
    linkState("live");
    if (!found.jobs.some((job) => ["queued", "running"].includes(job.state))) return;
  } catch (error) {
    if (error.status) return notice(error);
    linkState("lost");
  }
  setTimeout(refresh, AGAIN_AFTER_MS);
}

refresh();
