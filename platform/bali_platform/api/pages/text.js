// A note, the concepts that it mentions, and what is said of them.
import { get, post } from "./client.js";
import { $, h, percent } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

shell("Text");
const input = h("textarea", { id: "note", rows: 12, autofocus: true, spellcheck: "false", "aria-label": "Text",
  placeholder: "Paste a note or an abstract", onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && link() });
const preset = h("select", { "aria-label": "Preset" },
  ["clinical", "literature"].map((name) => h("option", { value: name }, name)));
const button = h("button", { class: "button main", onclick: () => link(), title: "Ctrl and Enter" }, "Link");
const marked = h("pre", { id: "marked", hidden: true });
const detail = h("section", { class: "card stack", id: "mention" },
  h("p", { class: "soft" }, "Choose a mark to see what it means."));
$("main").append(
  h("div", { class: "head" }, h("h1", { class: "grow" }, "Text"), preset, button),
  h("div", { class: "columns" }, h("section", { class: "card stack" }, input, marked), detail));

async function link() {
  const text = input.value;
  if (!text.trim()) return;
  button.disabled = true;
  try {
    const { results: [result] } = await post("/link", { text, preset: preset.value });
    // Offsets count code points, which JavaScript's strings do not.
    show(Array.from(text), result);
    notice(null);
    linkState("live");
  } catch (error) {
    notice(error);
  }
  button.disabled = false;
}

function show(characters, { mentions, omitted }) {
  const parts = [];
  let reached = 0;
  for (const mention of mentions) {
    parts.push(characters.slice(reached, mention.start).join(""), mark(mention));
    reached = mention.end;
  }
  parts.push(characters.slice(reached).join(""));
  marked.replaceChildren(...parts);
  marked.hidden = false;
  detail.replaceChildren(h("p", {}, `${mentions.length} mentions`),
    h("p", { class: "soft" }, omitted.length ? `Left out: ${omitted.map((one) => one.text).join(", ")}`
      : "Choose a mark to see what it means."));
}

function mark(mention) {
  const explain_ = () => explain(mention).catch(notice);
  return h("mark", { class: mention.attributes.join(" "), tabindex: 0, role: "button",
    title: [mention.name, ...mention.attributes].join(", "), onclick: explain_,
    onkeydown: (event) => event.key === "Enter" && explain_() }, mention.text);
}

async function explain(mention) {
  const cuis = [mention.cui, ...mention.alternatives.slice(0, 8)];
  const found = await Promise.all(cuis.map((cui) => get(`/concepts/${encodeURIComponent(cui)}`)));
  const [concept, ...others] = found.map(({ nodes: [node] }) => node);
  detail.replaceChildren(
    h("div", {}, h("h2", {}, linked(concept)), h("span", { class: "soft mono" }, concept.cui)),
    concept.definition ? h("p", {}, concept.definition) : "",
    h("dl", {},
      h("dt", {}, "is a"), h("dd", {}, concept.semantic_types.join(", ")),
      h("dt", {}, "here"), h("dd", {}, mention.attributes.join(", ") || "–"),
      h("dt", {}, "section"), h("dd", {}, mention.section || "–"),
      h("dt", {}, "sure"), h("dd", { class: "number" }, percent(mention.score))),
    others.length ? h("div", {}, h("h3", {}, "May also be"),
      h("ul", { class: "list" }, others.map((other) => h("li", {}, linked(other), " ",
        h("span", { class: "soft" }, other.semantic_types.join(", ")))))) : "");
}

const linked = ({ cui, name }) => h("a", { href: `concepts.html?cui=${encodeURIComponent(cui)}` }, name);
