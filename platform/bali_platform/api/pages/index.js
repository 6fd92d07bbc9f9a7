// The platform at a glance, and every job.
import { follow, post } from "./client.js";
import { $, ago, bytes, h, number, percent } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const chosen = new Set();
const STATES = ["queued", "running", "succeeded", "failed", "cancelled"];

shell("Jobs");
$("main").append(
  h("div", { class: "head" },
    h("h1", { class: "grow" }, "Jobs"),
    h("button", { class: "button", id: "compare", disabled: true, onclick: compare }, "Compare"),
    h("button", { class: "button main", onclick: openForm }, "New job")),
  h("section", { class: "tiles", id: "tiles", "aria-label": "Platform" }),
  h("div", { class: "columns" },
    h("section", { class: "card" }, h("h2", {}, "Training"), h("div", { class: "scroll", id: "jobs" })),
    h("div", { class: "stack" },
      h("section", { class: "card" }, h("h2", {}, "Workers"), h("div", { id: "workers" })),
      h("section", { class: "card", id: "cards", hidden: "" }),
      h("section", { class: "card" }, h("h2", {}, "Queues"), h("div", { id: "queues" })))));

function tile(title, value, note) {
  return h("div", { class: "card tile" }, h("p", { class: "minor" }, title),
    h("strong", { class: "number" }, value), h("span", {}, note));
}

function show(status) {
  const { jobs, cache } = status;
  const running = status.recent.filter((job) => job.state === "running");
  const speed = running.reduce((sum, job) => sum + (job.metrics.sentences_s ?? 0), 0);
  const waits = running.map((job) => job.metrics.data_wait).filter(Number.isFinite);
  $("#tiles").replaceChildren(
    tile("Graph", status.release ?? "none", status.graph_version ? `version ${status.graph_version}`
      : "load one with bali load"),
    tile("Throughput", speed ? `${number(speed)} /s` : "–", "sentences, all running jobs"),
    tile("Data wait", waits.length ? percent(Math.max(...waits)) : "–", "of training time, at worst"),
    tile("Cache", cache && cache.entries ? percent(cache.hit_rate) : "–",
      cache ? `hits; ${number(cache.entries)} neighbourhoods, ${bytes(cache.bytes)}` : "Redis is away"));
  $("#jobs").replaceChildren(status.recent.length ? table(status.recent)
    : h("p", { class: "empty" }, "No job yet. Queue one here, or with ", h("code", {}, "bali train demo"), "."));
  $("#workers").replaceChildren(workers(status.workers, running.length));
  $("#cards").hidden = !status.cards.length;
  $("#cards").replaceChildren(h("h2", {}, "Cards"), h("ul", { class: "list" }, status.cards.map(card)));
  $("#queues").replaceChildren(h("dl", {},
    Object.entries(status.queues).flatMap(([name, depth]) =>
      [h("dt", {}, name), h("dd", { class: "number" }, `${number(depth)} waiting`)]),
    STATES.filter((state) => jobs[state]).flatMap((state) =>
      [h("dt", {}, `jobs ${state}`), h("dd", { class: "number" }, number(jobs[state]))])));
  notice(status.redis ? null : "Redis does not answer: jobs and workers cannot be shown.");
}

function table(jobs) {
  return h("table", {},
    h("thead", {}, h("tr", {}, ["Compare", "Job", "State", "Progress", "Loss", "Queued"].map((name) => h("th", {}, name)))),
    h("tbody", {}, jobs.map(row)));
}

function row(job) {
  const address = `job.html?id=${encodeURIComponent(job.id)}`;
  const done = job.total ? `${number(job.step)} of ${number(job.total)}` : "not started";
  return h("tr", { class: "open", onclick: () => location.assign(address) },
    h("td", { onclick: (event) => event.stopPropagation() }, h("input", {
      type: "checkbox", "aria-label": `Compare ${job.name} ${job.id}`, checked: chosen.has(job.id),
      onchange: (event) => choose(job.id, event.target.checked) })),
    h("td", {}, h("a", { href: address }, job.name), h("div", { class: "soft mono" }, job.id)),
    h("td", {}, h("span", { class: `badge ${job.state}` },
      job.cancel_requested && job.state === "running" ? "stopping" : job.state)),
    h("td", { class: "wide number" }, h("progress", { max: job.total || 1, value: job.step }),
      h("small", { class: "soft" }, done)),
    h("td", { class: "number" }, job.metrics.loss === undefined ? "–" : number(job.metrics.loss)),
    h("td", { class: "soft" }, ago(job.created_at)));
}

function choose(id, wanted) {
  if (wanted) chosen.add(id);
  else chosen.delete(id);
  $("#compare").disabled = chosen.size < 2;
}

function compare() {
  location.assign(`compare.html?${new URLSearchParams([...chosen].map((id) => ["job", id]))}`);
}

function card(seen) {
  const used = seen.used_mb === null ? [] : [`${number(seen.used_mb)} of ${number(seen.memory_mb)} MiB`];
  const told = [...used, ...(seen.utilisation === null ? [] : [`${seen.utilisation} % busy`]),
    ...(seen.temperature === null ? [] : [`${seen.temperature} °C`])];
  const job = seen.job ? h("a", { href: `job.html?id=${encodeURIComponent(seen.job)}` }, `job ${seen.job}`) : "free";
  return h("li", {}, h("span", { class: "mono" }, `${seen.host} ${seen.name || seen.uuid}`),
    h("div", { class: "soft" }, job, ` · ${told.join(" · ") || "nothing more is told"}`));
}

function workers(seen, training) {
  const items = seen.map((worker) => h("li", {},
    h("span", { class: "mono" }, worker.name),
    h("div", { class: "soft" }, `${worker.queues.join(", ")} · ${worker.tasks || "no"} tasks · ${ago(worker.seen)}`)));
  if (training) {
    items.push(h("li", { class: "soft" },
      `${training} training: such a worker answers no calls until its job ends.`));
  }
  if (!items.length) {
    items.push(h("li", { class: "soft" }, "None answers. Start one with ", h("code", {}, "bali worker"), "."));
  }
  return h("ul", { class: "list" }, items);
}

function openForm() {
  const field = (name, label, attributes) =>
    h("label", {}, label, h("input", { name, autocomplete: "off", ...attributes }));
  const problem = h("p", { class: "notice", role: "alert", hidden: true });
  const submit = h("button", { class: "button main" }, "Queue it");
  const dialog = h("dialog", {}, h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        const job = await post("/jobs", request(new FormData(event.target)));
        location.assign(`job.html?id=${job.id}`);
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        submit.disabled = false;
      }
    },
  },
  h("h2", {}, "New training job"), problem,
  field("config", "Configuration that ships with BALI", { value: "demo" }),
  h("label", {}, "or your own, as TOML", h("textarea", { name: "toml", rows: 5, class: "mono" })),
  field("base", "Language model", { placeholder: "as in the configuration" }),
  field("corpus", "Linked corpus, by name", { placeholder: "as in the configuration" }),
  field("seed", "Seed", { type: "number", min: 0, placeholder: "as in the configuration" }),
  field("steps", "Steps, at most", { type: "number", min: 1, placeholder: "as in the configuration" }),
  field("priority", "Priority; higher starts first", { type: "number", value: 0 }),
  h("div", { class: "row" },
    h("button", { class: "button", type: "button", onclick: () => dialog.remove() }, "Close"), submit)));
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

function request(form) {
  const overrides = {};
  if (form.get("corpus")) overrides.data = { corpus: form.get("corpus") };
  if (form.get("steps")) overrides.run = { max_steps: Number(form.get("steps")) };
  if (form.get("base")) overrides.model = { base: form.get("base") };
  const own = form.get("toml").trim() ? { toml: form.get("toml") } : { config: form.get("config") };
  const seed = form.get("seed") ? { seed: Number(form.get("seed")) } : {};
  return { ...own, ...seed, overrides, priority: Number(form.get("priority")) };
}

follow("/events", { status: show }, linkState);
