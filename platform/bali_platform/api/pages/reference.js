// The API's own description, read from its OpenAPI document.
import { get } from "./client.js";
import { $, h } from "./dom.js";
import { linkState, notice, shell } from "./shell.js";

shell("API");

function route(path, verb, operation) {
  const parameters = operation.parameters ?? [];
  const body = operation.requestBody?.content["application/json"]?.schema;
  return h("details", { class: "route" },
    h("summary", {},
      h("span", { class: `verb ${verb}` }, verb.toUpperCase()),
      h("code", {}, path),
      h("span", { class: "soft" }, operation.description?.split("\n")[0])),
    h("div", {},
      h("p", { class: "soft" }, operation.description?.split("\n").slice(1).join(" ")),
      parameters.length ? h("dl", {}, parameters.flatMap(parameter)) : "",
      body ? h("pre", {}, JSON.stringify(example(body), null, 2)) : "",
      h("dl", {}, Object.entries(operation.responses).flatMap(([status, response]) =>
        [h("dt", { class: "number" }, status), h("dd", { class: "soft" }, response.description)])),
      h("pre", {}, command(path, verb, parameters, body))));
}

function parameter(it) {
  const type = it.schema.type ?? it.schema.anyOf?.map((one) => one.type).filter((one) => one !== "null").join(" or ");
  return [h("dt", {}, h("code", {}, it.name), it.required ? " *" : ""),
    h("dd", {}, [it.description, type, it.schema.default !== undefined && `default ${it.schema.default}`]
      .filter(Boolean).join(" · "))];
}

let schemas = {};

function example(schema) {
  return schemas[schema.$ref?.split("/").at(-1)]?.example ?? {};
}

function command(path, verb, parameters, body) {
  const wanted = parameters.filter((it) => it.required && it.in === "query");
  const query = new URLSearchParams(wanted.map((it) => [it.name, [it.schema.examples?.[0] ?? "C0000001"].flat()[0]]));
  const url = `'${location.origin}${path}${wanted.length ? `?${query}` : ""}'`;
  if (verb === "get") return `curl ${url}`;
  return `curl -X POST ${url}${body ? ` \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(example(body))}'` : ""}`;
}

try {
  const document_ = await get("/openapi.json");
  schemas = document_.components.schemas;
  const routes = Object.entries(document_.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, operation]) => [operation.tags?.[0] ?? "", route(path, verb, operation)]));
  const tags = [...new Set(routes.map(([tag]) => tag))];
  $("main").append(
    h("div", { class: "head" }, h("h1", { class: "grow" }, "API"),
      h("a", { class: "button", href: "/openapi.json" }, "OpenAPI document")),
    h("div", { class: "stack" }, tags.map((tag) =>
      h("section", { class: "card" }, h("h2", {}, tag),
        routes.filter(([name]) => name === tag).map(([, element]) => element)))));
  linkState("live");
} catch (error) {
  notice(error);
}
