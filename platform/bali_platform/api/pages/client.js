// Requests to the API: the token, problems as errors, and event streams that reconnect.
import { h } from "./dom.js";

const KEY = "bali-token";

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
  }
}

async function send(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({ title: response.statusText }));
    if (response.status !== 401) throw new Problem({ status: response.status, ...problem });
    await askForToken(token);
  }
}

export const get = async (path, signal) => (await send(path, { signal })).json();

export async function post(path, body, method = "POST") {
  const headers = { "Content-Type": "application/json" };
  return (await send(path, { method, headers, body: JSON.stringify(body ?? {}) })).json();
}

let asking = null;

// Asks once, however many requests wait for the answer.
function askForToken(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return Promise.resolve();
  asking ??= new Promise((resolve) => {
    const input = h("input", { type: "password", required: true, autocomplete: "off" });
    const form = h("form", { method: "dialog" },
      h("h2", {}, "This server needs its token"),
      h("label", {}, "BALI_API_TOKEN, or what api.token in its home holds", input),
      h("div", { class: "row" }, h("button", { class: "button main" }, "Continue")));
    const dialog = h("dialog", {}, form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", () => {
      sessionStorage.setItem(KEY, input.value.trim());
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

// Follows a stream of server-sent events for as long as the page lives: handlers by event name,
// `state` is told "live" or "lost". A stream that breaks is taken up where it ended.
// (EventSource cannot send the token.)
export async function follow(path, handlers, state, signal) {
  let position = null;
  while (!signal?.aborted) {
    try {
      const headers = position ? { "Last-Event-ID": position } : {};
      const response = await send(path, { headers, signal });
      state("live");
      for await (const event of events(response.body)) {
        position = event.id ?? position;
        handlers[event.event]?.(JSON.parse(event.data));
        if (event.event === "end") return;
      }
    } catch (error) {
      if (error.status === 404) return;
    }
    if (signal?.aborted) return;
    state("lost");
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => !line.startsWith(":"));
      if (lines.length) yield Object.fromEntries(lines.map(field));
    }
  }
}

function field(line) {
  const colon = line.indexOf(": ");
  return [line.slice(0, colon), line.slice(colon + 2)];
}
