// The frame around every page: navigation, theme, and whether the server is there.
import { $, h, svg } from "./dom.js";

const PAGES = [["./", "Jobs"], ["concepts.html", "Concepts"], ["text.html", "Text"],
  ["hierarchy.html", "Hierarchy"], ["map.html", "Map"], ["values.html", "Value sets"],
  ["history.html", "History"], ["reference.html", "API"]];

function mark() {
  const line = (d) => svg("path", { d, fill: "none", stroke: "currentColor", "stroke-width": 1.6 });
  const dot = (cx, cy, r) => svg("circle", { cx, cy, r, fill: "var(--accent)" });
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
    line("M6 17 L12 6 L18 17 M6 17 H18"), dot(12, 6, 3.4), dot(6, 17, 2.9), dot(18, 17, 2.9));
}

export function shell(current) {
  document.title = `${current} · BALI`;
  const links = PAGES.map(([href, name]) =>
    h("a", { href, "aria-current": name === current && "page" }, name));
  document.body.prepend(h("header", { class: "bar" },
    h("a", { class: "brand", href: "./", "aria-label": "BALI" }, mark(), h("span", {}, "BALI")),
    h("nav", { "aria-label": "Pages" }, links),
    h("div", { class: "link-state", id: "link", role: "status" }, h("span", {}, "connecting")),
    h("button", { class: "button plain", onclick: window.toggleTheme, title: "Light or dark" }, "◐")));
}

export function linkState(state) {
  const element = $("#link");
  element.className = `link-state ${state}`;
  element.firstChild.textContent = state === "live" ? "live" : "reconnecting";
}

export function notice(error) {
  const text = error?.message ?? error;
  $(".notice")?.remove();
  if (text) $("main").prepend(h("p", { class: "notice", role: "alert" }, text));
}
