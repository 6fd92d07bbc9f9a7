// What a vocabulary puts above and below a code; children are asked for as they are opened.
import { get } from "./client.js";
import { $, h, number } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const CHILDREN = 200;

shell("Hierarchy");
const input = h("input", { name: "code", required: true, autofocus: true, autocomplete: "off", spellcheck: "false",
  placeholder: "MSH:D009203" });
const place = h("div", { class: "stack", id: "tree", "aria-live": "polite" });
$("main").append(
  h("div", { class: "head" }, h("h1", {}, "Hierarchy")),
  h("form", { class: "card fields", onsubmit: (event) => { event.preventDefault(); go(input.value); } },
    h("label", {}, "A code of a vocabulary", input), h("button", { class: "button main" }, "Show")),
  place);
addEventListener("popstate", () => visit(address()));

const address = () => new URLSearchParams(location.search).get("code");
const ask = (direction, code, depth, offset = 0) => get(`/codes/${direction}?${new URLSearchParams(
  { code, depth, offset, limit: CHILDREN })}`);
const written = (member) => `${member.source}:${member.code}`;
const link = (member) => h("a", { href: `?code=${encodeURIComponent(written(member))}` }, written(member));

function go(code) {
  history.pushState(null, "", `?code=${encodeURIComponent(code)}`);
  visit(code);
}

async function visit(text) {
  if (!text) return;
  input.value = text;
  try {
    const above = await ask("ancestors", text, 1);
    const own = above.code;
    notice(null);
    linkState("live");
    place.replaceChildren(
      h("section", { class: "card" }, h("h2", {}, `${own.name} `, h("span", { class: "soft mono" }, written(own))),
        h("p", {}, h("a", { href: `concepts.html?cui=${own.cui}` }, own.concept), ` · by ${above.source} (${above.basis})`)),
      h("section", { class: "card" }, h("h2", {}, "Above"), list(above.members, (member) => [member.name, " ", link(member)])),
      h("section", { class: "card" }, h("h2", {}, "Below"), await children(written(own))));
  } catch (error) {
    place.replaceChildren();
    notice(error);
  }
}

async function children(code, offset = 0) {
  const { members, total } = await ask("descendants", code, 1, offset);
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

visit(address());
