// What became of a concept, and what the last upgrade changed, vocabulary by vocabulary.
import { get } from "./client.js";
import { $, h } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const PAGE = 200;
const COUNTED = ["before", "after", "new", "retired", "renamed", "moved", "merged", "retyped"];
const LISTED = { code: "code", change: "change", name: "name", old_value: "from", new_value: "to" };

shell("History");
const input = h("input", { name: "cui", required: true, autocomplete: "off", spellcheck: "false", placeholder: "C0027051" });
const fate = h("div", { class: "stack", id: "fate", "aria-live": "polite" });
const changes = h("div", { class: "stack", id: "changes", "aria-live": "polite" });
const list = h("div", { class: "stack", id: "list", "aria-live": "polite" });
$("main").append(
  h("div", { class: "head" }, h("h1", {}, "History")),
  h("form", { class: "card fields", onsubmit: (event) => { event.preventDefault(); go(input.value); } },
    h("label", {}, "A concept, also one that is gone", input), h("button", { class: "button main" }, "Show")),
  h("div", { class: "stack" }, fate, changes, list));
addEventListener("popstate", () => visit().catch(notice));

const asked = () => new URLSearchParams(location.search).get("cui");

function go(cui) {
  window.history.pushState(null, "", `?cui=${encodeURIComponent(cui)}`);
  visit().catch(notice);
}

async function visit() {
  fate.replaceChildren();
  notice(null);
  if (!asked()) return;
  input.value = asked();
  const { history, told } = await get(`/concepts/${encodeURIComponent(asked())}/history`);
  const lives = history.status === "live" ? [[history.cui, history.name]] : history.successors.map((s) => [s.cui, s.name]);
  fate.replaceChildren(h("section", { class: "card" }, h("h2", {}, told),
    h("ul", { class: "list" }, lives.map(([cui, name]) =>
      h("li", {}, h("a", { href: `concepts.html?cui=${encodeURIComponent(cui)}` }, `${name} `, h("span", { class: "mono" }, cui)))))));
}

const table = (label, columns, rows) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
  h("table", {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows)));

async function compare() {
  const { old, new: now, sources } = await get("/changes");
  const rows = Object.entries(sources).sort().map(([source, counts]) => h("tr", {},
    h("th", { scope: "row" }, h("button", { class: "button", onclick: () => open(source).catch(notice) }, source)),
    COUNTED.map((name) => h("td", { class: "number" }, (counts[name] ?? 0).toLocaleString("en")))));
  changes.replaceChildren(h("section", { class: "card" },
    h("h2", {}, `Codes, from ${old.release} `, h("span", { class: "soft mono" }, old.version), ` to ${now.release} `,
      h("span", { class: "soft mono" }, now.version)),
    table("Codes by vocabulary", ["vocabulary", ...COUNTED], rows)));
}

async function open(source, offset = 0) {
  const { total, changes: page } = await get(
    `/changes/${encodeURIComponent(source)}?${new URLSearchParams({ limit: PAGE, offset })}`);
  const after = offset + page.length;
  list.replaceChildren(h("section", { class: "card" }, h("h2", { tabindex: "-1" }, `${source}: ${total.toLocaleString("en")} changes`),
    table(`Changes of ${source}`, Object.values(LISTED), page.map((one) =>
      h("tr", {}, Object.keys(LISTED).map((name) => h("td", {}, one[name]))))),
    after < total && h("button", { class: "button", onclick: () => open(source, after).catch(notice) },
      `next, ${(total - after).toLocaleString("en")} more`)));
  $("#list h2").focus();
}

await visit().catch(notice);
try {
  await compare();
  linkState("live");
} catch (error) {
  changes.replaceChildren(h("p", { class: "soft" }, error.message));
}
