// A pasted list of codes, mapped to another vocabulary, or only checked.
import { get, post } from "./client.js";
import { $, download, h, number } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

const COLUMNS = ["asked", "status", "name", "target", "target_code", "target_name", "relation", "method", "rule",
  "advice", "note", "release"];
const SHOWN = ["asked", "status", "name", "target_code", "target_name", "relation", "method"];

shell("Map");
const codes = h("textarea", { rows: 8, required: true, spellcheck: "false", placeholder: "HP:0001658\nI21.9" });
const from = h("input", { autocomplete: "off", spellcheck: "false", placeholder: "as written in each code" });
const to = h("select", {});
const above = h("input", { type: "checkbox" });
const place = h("div", { class: "stack", id: "mapped", "aria-live": "polite" });
$("main").append(
  h("div", { class: "head" }, h("h1", {}, "Map codes")),
  h("form", { class: "card fields", onsubmit: (event) => { event.preventDefault(); map().catch(notice); } },
    h("label", { class: "wide" }, "Codes, one a line", codes),
    h("label", {}, "From", from), h("label", {}, "To", to),
    h("label", { class: "tick" }, above, "else the nearest code above"),
    h("button", { class: "button main" }, "Map")),
  place);

const checked = ({ asked, valid, code, message }) => ({ asked, status: valid ? "valid" : "wrong", name: code?.name,
  note: message });

async function map() {
  const lines = codes.value.split("\n").map((line) => line.trim()).filter(Boolean);
  const asked = { codes: lines, source: from.value.trim() || null };
  const rows = to.value ? (await post("/codes/map", { ...asked, targets: [to.value], ancestors: above.checked })).rows
    : (await post("/codes/validate", asked)).codes.map(checked);
  const kinds = to.value ? ["mapped", "ambiguous", "unmapped", "unknown"] : ["valid", "wrong"];
  const statuses = kinds.map((status) =>
    `${number(new Set(rows.filter((row) => row.status === status).map((row) => row.asked)).size)} ${status}`);
  notice(null);
  place.replaceChildren(h("section", { class: "card" },
    h("div", { class: "head" }, h("h2", { class: "grow" }, statuses.join(", ")),
      h("button", { class: "button", onclick: () => download("mapped.csv", COLUMNS, rows) }, "Download CSV")),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Mapped codes" }, h("table", {},
      h("thead", {}, h("tr", {}, SHOWN.map((name) => h("th", { scope: "col" }, name.replace("_", " "))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, SHOWN.map((name) =>
        h("td", {}, name === "status" ? h("span", { class: `badge ${row.status}` }, row.status)
          : row[name] || (name === "target_name" && row.note)))
      )))))));
}

try {
  const { sources } = await get("/sources");
  to.append(...sources.filter((source) => source.atoms).map(({ sab, name }) =>
    h("option", { value: sab }, name ? `${sab} – ${name}` : sab)),
    h("option", { value: "" }, "nothing: check them"));
  linkState("live");
} catch (error) {
  notice(error);
}
