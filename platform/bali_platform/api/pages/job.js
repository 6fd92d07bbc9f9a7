// One job as it runs.
import { follow, get, post } from "./client.js";
import { Chart } from "./chart.js";
import { $, ago, duration, h, number, percent } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const id = new URLSearchParams(location.search).get("id") ?? "";
const address = `/jobs/${encodeURIComponent(id)}`;
const CHARTS = {
  speed: [[["sentences a second", "sentences_s"]], { zero: true }],
  wait: [[["waiting for data", "data_wait"]], { zero: true, format: percent }],
  top1: [[["nearest is right", "alignment/top1"]], { zero: true, format: percent }],
};
const LOG_AFTER_MS = 3000;
const rows = [];
let state = "queued";
const charts = {};

shell("Jobs");
$("main").append(
  h("div", { class: "head" },
    h("div", { class: "grow" }, h("h1", { id: "name" }, "Job"), h("span", { class: "soft mono" }, id)),
    h("span", { id: "state" }),
    h("button", { class: "button danger", id: "cancel", hidden: true, onclick: () => steer("cancel") }, "Cancel"),
    h("button", { class: "button", id: "resume", hidden: true, onclick: () => steer("resume") }, "Resume")),
  h("section", { class: "card" }, h("div", { id: "progress" })),
  h("div", { class: "halves" },
    card("Loss", "loss"), card("Throughput", "speed"), card("Data wait", "wait"),
    card("Alignment within a batch", "top1")),
  h("div", { class: "columns" },
    h("div", { class: "stack" },
      h("section", { class: "card" }, h("h2", {}, "End of the log"), h("pre", { id: "log" })),
      h("section", { class: "card" }, h("h2", {}, "What happened"), h("ol", { class: "list", id: "events" }))),
    h("section", { class: "card" }, h("h2", {}, "Settings"), h("div", { id: "settings" }))));

function card(title, name) {
  return h("section", { class: "card" }, h("h2", {}, title), h("div", { id: `chart-${name}` }));
}

function showJob(job) {
  document.title = `${job.name} · BALI`;
  state = job.state;
  $("#name").textContent = job.name;
  const stopping = job.cancel_requested && job.state === "running";
  $("#state").replaceChildren(h("span", { class: `badge ${job.state}` }, stopping ? "stopping" : job.state));
  $("#cancel").hidden = stopping || !["queued", "running"].includes(job.state);
  $("#resume").hidden = !["failed", "cancelled"].includes(job.state);
  const left = remaining(job);
  $("#progress").replaceChildren(
    h("progress", { max: job.total || 1, value: job.step, "aria-label": "Progress" }),
    h("p", { class: "soft number" },
      [job.total ? `step ${number(job.step)} of ${number(job.total)}` : "not started yet",
        job.attempt > 1 && `attempt ${job.attempt}`, left, `queued ${ago(job.created_at)}`,
        job.message].filter(Boolean).join(" · ")));
}

function remaining(job) {
  // What was told at once on opening the page says nothing of the pace.
  const last = rows.filter((row) => row.seen > rows[0].seen).slice(-20);
  if (job.state !== "running" || job.step >= job.total || last.length < 2) return "";
  const pace = (last.at(-1).seen - last[0].seen) / (last.at(-1).step - last[0].step);
  return pace > 0 ? `${duration(pace * (job.total - job.step))} left` : "";
}

function showMetrics(fresh) {
  for (const row of fresh) {
    // After a restart the steps since the last checkpoint are done, and told, again.
    while (rows.length && rows.at(-1).step >= row.step) rows.pop();
    rows.push({ ...row, seen: Date.now() / 1000 });
  }
  if (!charts.loss) {
    const parts = Object.keys(rows.at(-1)).filter((key) => key.endsWith("loss") && key !== "loss");
    const series = ["loss", ...parts.slice(0, 3)].map((key) => [key.replaceAll("_", " "), key]);
    charts.loss = new Chart($("#chart-loss"), series);
  }
  for (const chart of Object.values(charts)) chart.update(rows);
}

function showEvent(event) {
  const details = Object.entries(event.data).filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${told(name, value)}`);
  const time = new Date(event.time * 1000);
  $("#events").prepend(h("li", {},
    h("strong", {}, event.type), " ",
    h("span", { class: "soft number", title: time.toISOString() }, time.toLocaleTimeString("en-GB")),
    details.length ? h("div", { class: "soft mono" }, details.join(" · ")) : ""));
}

function told(name, value) {
  if (name.endsWith("_at")) return new Date(value * 1000).toLocaleTimeString("en-GB");
  return typeof value === "object" ? JSON.stringify(value) : value;
}

async function showSettings() {
  const job = await get(address);
  const flat = Object.entries(job.config).flatMap(([section, value]) =>
    value && typeof value === "object" ? Object.entries(value).map(([key, item]) => [`${section}.${key}`, item])
      : [[section, value]]);
  const facts = [["code", job.code_version], ["graph", job.spec.graph_version], ...flat,
    ...Object.entries(job.artefacts)];
  $("#settings").replaceChildren(h("dl", {}, facts.filter(([, value]) => value != null).flatMap(
    ([name, value]) => [h("dt", {}, name),
      h("dd", { class: "mono" }, typeof value === "object" ? JSON.stringify(value) : String(value))])));
}

async function showLog() {
  const { lines } = await get(`${address}/log?lines=12`);
  $("#log").textContent = lines.join("\n") || "nothing on this machine";
  if (["queued", "running"].includes(state)) setTimeout(() => showLog().catch(notice), LOG_AFTER_MS);
}

async function steer(action) {
  try {
    await post(`${address}/${action}`);
    notice(null);
    if (action === "resume") location.reload();
  } catch (error) {
    notice(error);
  }
}

for (const [name, [series, options]] of Object.entries(CHARTS)) {
  charts[name] = new Chart($(`#chart-${name}`), series, options);
  charts[name].update(rows);
}
showSettings().catch(notice);
showLog().catch(notice);
follow(`${address}/events`, { job: showJob, metrics: showMetrics, event: showEvent }, linkState);
