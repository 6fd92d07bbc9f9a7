// What a vocabulary puts above, beside and below a code, and how it stands to another one; children
// are asked for as they are opened.
import { get } from "./client.js";
import { $, h, number } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const SHOWN = 200;
const OUTCOMES = { equivalent: "is the same as", subsumes: "is above", "subsumed-by": "is a kind of",
  "not-subsumed": "is neither above nor below" };

shell("Hierarchy");
const field = (name, more) => h("input", { name, autocomplete: "off", spellcheck: "false", ...more });
const input = field("code", { required: true, autofocus: true, placeholder: "MSH:D009203" });
const other = field("with", { placeholder: "MSH:D006331" });
const place = h("div", { class: "stack", id: "tree", "aria-live": "polite" });
$("main").append(
  h("div", { class: "head" }, h("h1", {}, "Hierarchy")),
  h("form", { class: "card fields", onsubmit: (event) => { event.preventDefault(); go(); } },
    h("label", {}, "A code of a vocabulary", input), h("label", {}, "Compared with, if you like", other),
    h("button", { class: "button main" }, "Show")),
  place);
addEventListener("popstate", () => visit());

const ask = (direction, code, options = {}) => get(`/codes/${direction}?${new URLSearchParams(
  { code, limit: SHOWN, ...options })}`);
const written = (member) => `${member.source}:${member.code}`;
const link = (member) => h("a", { href: `?code=${encodeURIComponent(written(member))}` }, written(member));

function go() {
  const asked = { code: input.value, ...(other.value.trim() && { with: other.value }) };
  history.pushState(null, "", `?${new URLSearchParams(asked)}`);
  visit();
}

async function visit() {
  const asked = new URLSearchParams(location.search);
  if (!asked.get("code")) return;
  input.value = asked.get("code");
  other.value = asked.get("with") ?? "";
  try {
    place.replaceChildren(...await around(input.value, other.value));
    notice(null);
    linkState("live");
  } catch (error) {
    place.replaceChildren();
    notice(error);
  }
}

async function around(text, compared) {
  const [above, beside] = await Promise.all([ask("ancestors", text), ask("siblings", text)]);
  const own = above.code;
  const card = (title, ...content) => h("section", { class: "card" }, h("h2", {}, title), ...content);
  return [
    h("section", { class: "card" }, h("h2", {}, `${own.name} `, h("span", { class: "soft mono" }, written(own))),
      h("p", {}, h("a", { href: `concepts.html?cui=${own.cui}` }, own.concept), ` · by ${above.source} (${above.basis})`),
      compared ? await told(text, compared) : ""),
    card("Above", list(above.members, (member) => [member.name, " ", link(member),
      h("span", { class: "soft" }, ` ${number(member.steps)} up`)]), rest(above)),
    card("Beside", list(beside.members, (member) => [member.name, " ", link(member)]), rest(beside)),
    card("Below", await children(written(own))),
  ];
}

async function told(text, compared) {
  const { pairs: [{ a, b, outcome }] } = await get(`/codes/subsumes?${new URLSearchParams({ a: text, b: compared })}`);
  return h("p", { id: "outcome" }, `${a.name} ${OUTCOMES[outcome]} ${b.name} `, link(b));
}

const rest = ({ members, total }) =>
  members.length < total && h("p", { class: "soft" }, `and ${number(total - members.length)} more`);

async function children(code, offset = 0) {
  const { members, total } = await ask("descendants", code, { depth: 1, offset });
  const items = list(members, branch);
  const after = offset + members.length;
  if (after < total) {
    const more = h("button", { class: "button", onclick: async () => more.replaceWith(await children(code, after)) },
      `${number(total - after)} more`);
    return [items, more];
  }
  return items;
}

function list(members, show) {
  if (!members.length) return h("p", { class: "soft" }, "none");
  return h("ul", { class: "list tree" }, members.map((member) => h("li", {}, show(member))));
}

function branch(member) {
  const below = h("div", {});
  const opened = async (event) => {
    if (event.target.open && !below.childNodes.length) below.append(...[await children(written(member))].flat());
  };
  return h("details", { ontoggle: (event) => opened(event).catch(notice) },
    h("summary", {}, `${member.name} `, h("span", { class: "soft mono" }, written(member))), below);
}

visit();
