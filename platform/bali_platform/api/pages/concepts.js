// Search for a concept, and walk through what surrounds it.
import { get } from "./client.js";
import { $, h, number } from "./dom.js";
import { Picture } from "./force.js";
import { linkState, notice, shell } from "./shell.js";

const LIST_PAGE = 50;
let searching = null;
let shown = null;

shell("Concepts");
const input = h("input", { type: "search", id: "query", autofocus: true, autocomplete: "off", spellcheck: "false",
  placeholder: "A name, a CUI, or a code such as MSH:D009203", "aria-label": "Search concepts",
  role: "combobox", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list",
  oninput: () => search(input.value), onkeydown: keys });
const found = h("div", { class: "card found", id: "found", role: "listbox", "aria-label": "Concepts found", hidden: true });
const fanout = h("select", { "aria-label": "Edges drawn", onchange: () => redraw() },
  [8, 16, 32, 64].map((n) => h("option", { value: n, selected: n === 16 }, `${n} edges`)));
const hops = h("select", { "aria-label": "Hops", onchange: () => redraw() },
  [1, 2].map((n) => h("option", { value: n }, n === 1 ? "1 hop" : `${n} hops`)));
const stage = h("section", { class: "card picture" },
  h("div", { class: "tools" }, hops, fanout),
  h("span", { class: "hint" }, "click: expand · double click: go there · drag and scroll to move"));
const page = h("div", { id: "concept", hidden: true });
const welcome = h("div", { class: "empty" }, h("h1", {}, "Concepts"), h("p", {}, "Search for one to see what surrounds it."));
$("main").append(h("div", { class: "search" }, input, found), welcome, page);
document.addEventListener("click", (event) => { if (!event.target.closest(".search")) unfold(false); });
addEventListener("popstate", () => visit(address()));

const address = () => new URLSearchParams(location.search).get("cui");

function search(text) {
  clearTimeout(searching);
  searching = setTimeout(async () => {
    if (!text.trim()) {
      unfold(false);
      return;
    }
    try {
      const { nodes } = await get(`/concepts?limit=12&q=${encodeURIComponent(text)}`);
      if (input.value !== text) return;
      found.replaceChildren(...(nodes.length ? nodes.map(hit)
        : [h("p", { class: "empty", role: "option", "aria-disabled": "true" }, "No concept has such a name.")]));
      unfold(true);
      linkState("live");
      notice(null);
    } catch (error) {
      notice(error);
    }
  }, 120);
}

function unfold(shown) {
  found.hidden = !shown;
  input.setAttribute("aria-expanded", shown);
  input.removeAttribute("aria-activedescendant");
}

function hit(node, index) {
  return h("button", { type: "button", role: "option", id: `hit-${index}`, "aria-selected": String(index === 0), onclick: () => go(node.cui) },
    node.name, h("small", {}, [node.cui, node.matched !== node.name && `“${node.matched}”`,
      node.semantic_types.join(", ")].filter(Boolean).join(" · ")));
}

function keys(event) {
  const all = [...found.querySelectorAll("button")];
  const at = all.findIndex((button) => button.ariaSelected === "true");
  if (event.key === "Enter" && !found.hidden) all[at]?.click();
  else if (event.key === "Escape") unfold(false);
  else if (["ArrowDown", "ArrowUp"].includes(event.key) && all.length) {
    event.preventDefault();
    const next = (at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length;
    all[at].ariaSelected = "false";
    all[next].ariaSelected = "true";
    input.setAttribute("aria-activedescendant", all[next].id);
    all[next].scrollIntoView({ block: "nearest" });
  }
}

function go(cui) {
  unfold(false);
  history.pushState(null, "", `?cui=${encodeURIComponent(cui)}`);
  visit(cui);
}

async function visit(cui) {
  if (!cui) return;
  try {
    const [{ details }, status] = await Promise.all(
      [get(`/concepts/${encodeURIComponent(cui)}/codes`), get("/status")]);
    shown = { concept: details.concept, nodes: new Map(), edges: new Map(), release: status.release };
    notice(null);
    linkState("live");
    describe(details, status.browser);
    await Promise.all([redraw(), list(0)]);
  } catch (error) {
    notice(error);
  }
}

function describe(details, browser) {
  const { concept } = details;
  document.title = `${concept.name} · BALI`;
  input.value = concept.name;
  welcome.remove();
  page.hidden = false;
  const others = concept.names.slice(1);
  page.replaceChildren(
    h("div", { class: "head concept-head" },
      h("div", { class: "grow" }, h("h1", {}, concept.name), h("span", { class: "soft mono" }, concept.cui)),
      browser ? h("a", { class: "button", href: browserLink(browser, concept.cui), target: "_blank", rel: "noopener" },
        "Open in Neo4j Browser") : ""),
    details.note ? h("p", { class: "card note" }, details.note) : "",
    h("div", { class: "columns" }, stage,
      h("section", { class: "card stack" },
        details.definitions.map(({ text, source }) => h("p", {}, text, h("span", { class: "soft" }, ` (${source})`))),
        h("dl", {}, h("dt", {}, "is a"), h("dd", {},
          h("span", { class: `swatch group-${concept.groups[0]}` }, concept.semantic_types.join(", "))),
        h("dt", {}, "sources"), h("dd", {}, concept.sources.join(", ") || "–")),
        others.length ? h("div", {}, h("p", { class: "minor" }, "Also called"), h("div", { class: "chips" },
          others.slice(0, 24).map((name) => h("span", { class: "chip" }, name)),
          others.length > 24 ? h("span", { class: "soft" }, `and ${number(others.length - 24)} more`) : "")) : "")),
    h("section", { class: "card relations" }, h("h2", {}, "Codes"), codes(details)),
    h("section", { class: "card relations" }, h("h2", {}, "Relations"), h("div", { class: "scroll", id: "relations" })));
}

function codes({ atoms }) {
  const link = ({ source, code }) =>
    h("a", { href: `hierarchy.html?code=${encodeURIComponent(`${source}:${code}`)}` }, code);
  return h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Codes" }, h("table", { id: "codes" },
    h("thead", {}, h("tr", {}, ["source", "code", "type", "term", "language"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, atoms.map((atom) => h("tr", {},
      h("td", {}, atom.source), h("td", {}, atom.code ? link(atom) : ""), h("td", { class: "soft" }, atom.term_type),
      h("td", {}, atom.term, atom.suppressed ? h("span", { class: "soft" }, " (no longer in use)") : ""),
      h("td", { class: "soft" }, atom.language))))));
}

function browserLink(browser, cui) {
  const query = `MATCH path = (c:Concept {cui: '${cui}'})--(:Concept) RETURN path LIMIT 50`;
  return `${browser}?${new URLSearchParams({ cmd: "edit", arg: query })}`;
}

const picture = new Picture(stage, { choose: expand, open: go });

async function draw(cui, reach) {
  const query = new URLSearchParams({ cui, hops: reach, fanout: fanout.value });
  const part = await get(`/subgraphs?${query}`);
  for (const node of part.nodes) {
    const hop = node.cui === shown.concept.cui ? 0 : Math.max(1, node.hop);
    if (!shown.nodes.has(node.cui)) shown.nodes.set(node.cui, { ...node, hop });
  }
  for (const edge of part.edges) shown.edges.set(`${edge.source} ${edge.type} ${edge.target}`, edge);
  picture.show([...shown.nodes.values()], [...shown.edges.values()]);
}

async function redraw() {
  shown.nodes.clear();
  shown.edges.clear();
  picture.nodes = new Map();
  await draw(shown.concept.cui, hops.value).catch(notice);
}

function expand(cui) {
  return draw(cui, 1).catch(notice);
}

async function list(offset) {
  const answer = await get(`/concepts/${shown.concept.cui}/neighbours?limit=${LIST_PAGE}&offset=${offset}`);
  const nodes = new Map(answer.nodes.map((node) => [node.cui, node]));
  const rows = answer.edges.map((edge) => {
    const outgoing = edge.source === shown.concept.cui;
    const other = nodes.get(outgoing ? edge.target : edge.source);
    return h("tr", { class: "open", onclick: () => go(other.cui) },
      h("td", { class: "soft" }, `${outgoing ? "→" : "←"} ${edge.type.toLowerCase().replaceAll("_", " ")}`),
      h("td", {}, h("a", { href: `?cui=${other.cui}`, onclick: (event) => event.preventDefault() }, other.name)),
      h("td", { class: "soft" }, other.semantic_types.join(", ")),
      h("td", { class: "soft" }, edge.sources.join(", ")));
  });
  const place = $("#relations");
  if (!offset) {
    place.replaceChildren(rows.length ? h("table", {}, h("tbody", {})) : h("p", { class: "empty" }, "It stands alone."));
  }
  place.querySelector(".more")?.remove();
  place.querySelector("tbody")?.append(...rows);
  if (answer.next) {
    place.append(h("button", { class: "button more", onclick: () => list(offset + LIST_PAGE).catch(notice) }, "Show more"));
  }
}

visit(address());
