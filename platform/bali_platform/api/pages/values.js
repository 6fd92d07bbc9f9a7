// Value sets: an expression put together from codes, what it means on the live graph, and those kept.
import { get, post } from "./client.js";
import { $, download, h, number } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const PAGE = 100;
const ALL = 10000;
const COLUMNS = ["source", "code", "name", "cui"];
const OPERATORS = [["<<", "a code and all below it"], ["", "a code"], ["<", "all below a code"],
  ["<!", "the children of a code"], [">>", "a code and all above it"], [">", "all above a code"]];

shell("Value sets");
const options = (pairs) => pairs.map(([value, text]) => h("option", { value }, text));
const join = h("select", {}, options([["OR", "or"], ["AND", "and"], ["MINUS", "without"]]));
const operator = h("select", {}, options(OPERATORS));
const code = h("input", { autocomplete: "off", spellcheck: "false", placeholder: "MSH:D009203" });
const text = h("textarea", { rows: 3, required: true, spellcheck: "false",
  placeholder: "<< MSH:D009203 MINUS MSH:D056988" });
const saved = h("div", { class: "chips" });
const place = h("div", { class: "stack", id: "expanded", "aria-live": "polite" });
$("main").append(
  h("div", { class: "head" }, h("h1", {}, "Value sets")),
  h("form", { class: "card fields", onsubmit: (event) => { event.preventDefault(); add(); } },
    h("label", {}, "Join", join), h("label", {}, "Take", operator), h("label", {}, "Code", code),
    h("button", { class: "button" }, "Add")),
  h("form", { class: "card fields", onsubmit: (event) => { event.preventDefault(); expand().catch(notice); } },
    h("label", { class: "wide" }, "Expression", text), saved,
    h("button", { class: "button main" }, "Expand")),
  place);

function add() {
  const term = `${operator.value} ${code.value.trim()}`.trim();
  const before = text.value.trim();
  text.value = before ? `(${before}) ${join.value} ${term}` : term;
  code.value = "";
  code.focus();
}

const use = (name, expression) => h("button", { type: "button", class: "button", title: expression,
  onclick: () => { text.value = `^${name}`; } }, name);

function keep() {
  const name = h("input", { required: true, pattern: "[A-Za-z0-9][A-Za-z0-9_.-]*", autocomplete: "off" });
  const save = async () => {
    await post(`/value-sets/${encodeURIComponent(name.value)}`, { expression: text.value }, "PUT");
    saved.append(use(name.value, text.value));
    form.replaceWith(h("p", { class: "soft" }, `kept as ${name.value}`));
  };
  const form = h("form", { class: "fields", onsubmit: (event) => { event.preventDefault(); save().catch(notice); } },
    h("label", {}, "Keep it as", name), h("button", { class: "button" }, "Keep"));
  return form;
}

// What became of a kept value set since the release that it was kept on.
async function since(name) {
  const path = `/value-sets/${encodeURIComponent(name)}`;
  const { change, old_release: old, new_release: now } = await get(`${path}/changes`);
  const counts = Object.entries(change).map(([what, codes]) => `${number(codes.length)} ${what}`);
  const update = async () => {
    await post(`${path}/update`);
    place.replaceWith(h("p", { class: "soft" }, `kept as it is on ${now}`));
  };
  const place = h("p", { id: "since" }, `${old} → ${now}: ${counts.join(", ")} `,
    h("button", { class: "button", onclick: () => update().catch(notice) }, "Keep it so"));
  return place;
}

const ask = (offset, limit) => post("/value-sets/expand", { expression: text.value, offset, limit });

async function expand() {
  const answer = await ask(0, PAGE);
  const name = /^\^([\w.-]+)$/.exec(text.value.trim())?.[1];
  const kept = name ? await since(name) : keep();
  const body = h("tbody", {});
  const more = h("button", { class: "button", onclick: () => show(body.rows.length).catch(notice) }, "Show more");
  const fill = ({ members, total }) => {
    body.append(...members.map((member) => h("tr", {},
      h("td", {}, member.source),
      h("td", {}, h("a", { href: `hierarchy.html?code=${encodeURIComponent(`${member.source}:${member.code}`)}` }, member.code)),
      h("td", {}, member.name),
      h("td", {}, h("a", { href: `concepts.html?cui=${member.cui}` }, member.cui)))));
    more.hidden = body.rows.length >= total;
  };
  const show = async (offset) => fill(await ask(offset, PAGE));
  const save = async () => download("value-set.csv", COLUMNS, (await ask(0, ALL)).members);
  notice(null);
  place.replaceChildren(h("section", { class: "card" },
    h("div", { class: "head" }, h("h2", { class: "grow" }, `${number(answer.total)} codes on ${answer.release}`),
      answer.total <= ALL ? h("button", { class: "button", onclick: () => save().catch(notice) }, "Download CSV") : ""),
    kept,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Codes of the value set" }, h("table", {},
      h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))), body)), more));
  fill(answer);
}

try {
  const { value_sets } = await get("/value-sets");
  saved.append(...Object.entries(value_sets).map(([name, expression]) => use(name, expression)));
  linkState("live");
} catch (error) {
  notice(error);
}
