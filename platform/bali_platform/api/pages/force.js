// A force-directed picture of a small graph: concepts repel, edges pull, everything stays in sight.
import { svg } from "./dom.js";

const REPULSION = 5200;
const LENGTH = 150;
const CENTRE = 0.012;
const NAME_HEIGHT = 34;
const DRAG_TOLERANCE = 4; // pixels that a click may wander

export class Picture {
  // `choose(cui)` is called when a node is clicked, `open(cui)` when it is clicked twice.
  constructor(element, { choose, open }) {
    Object.assign(this, { choose, open, nodes: new Map(), edges: [], pressed: [], view: { x: 0, y: 0, scale: 1 } });
    this.edgeLayer = svg("g");
    this.nodeLayer = svg("g");
    this.world = svg("g", {}, this.edgeLayer, this.nodeLayer);
    this.svg = svg("svg", { role: "group", "aria-label": "Neighbourhood" },
      svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4,
        markerWidth: 6, markerHeight: 6, orient: "auto" }, svg("path", { d: "M0 0 L8 4 L0 8 z", class: "arrow" }))),
      this.world);
    element.prepend(this.svg);
    this.svg.addEventListener("pointerdown", (event) => this.grab(event));
    // The first click redraws the picture: by the second, the node may have moved away.
    this.svg.addEventListener("dblclick", () => {
      const node = this.pressed.find(Boolean);
      if (node) this.open(node.cui);
    });
    this.svg.addEventListener("wheel", (event) => this.zoom(event), { passive: false });
    new ResizeObserver(() => this.place()).observe(element);
  }

  // Shows nodes and edges; those shown before stay where they are.
  show(nodes, edges) {
    const before = this.nodes;
    this.nodes = new Map(nodes.map((node, index) => [node.cui, {
      vx: 0, vy: 0, ...(before.get(node.cui) ?? this.start(node, index, nodes.length, edges, before)), ...node,
    }]));
    const pairs = new Map();
    this.edges = edges.map((edge) => {
      const pair = [edge.source, edge.target].sort().join();
      pairs.set(pair, (pairs.get(pair) ?? -1) + 1);
      return { ...edge, a: this.nodes.get(edge.source), b: this.nodes.get(edge.target), bend: pairs.get(pair) };
    });
    this.draw();
    this.heat = 1;
    this.settle(before.size ? 60 : 220);
    this.run();
  }

  start(node, index, count, edges, before) {
    const edge = edges.find((one) => (one.source === node.cui && before.has(one.target))
      || (one.target === node.cui && before.has(one.source)));
    const near = edge && before.get(edge.source === node.cui ? edge.target : edge.source);
    const angle = index * 2.39996; // the golden angle: no two start on top of each other
    const radius = near ? 60 : node.hop ? 90 + 12 * Math.sqrt(index * 20) : 12 * index;
    return { x: (near?.x ?? 0) + radius * Math.cos(angle), y: (near?.y ?? 0) + radius * Math.sin(angle) };
  }

  draw() {
    this.names = this.edges.length <= 40;
    this.edgeLayer.replaceChildren(...this.edges.flatMap((edge) => {
      edge.line = svg("path", { class: "edge", "marker-end": "url(#arrow)" }, svg("title", {}, edge.type));
      edge.label = this.names ? svg("text", { class: "edge-name" }, edge.type.toLowerCase().replaceAll("_", " ")) : null;
      return edge.label ? [edge.line, edge.label] : [edge.line];
    }));
    this.nodeLayer.replaceChildren(...[...this.nodes.values()].map((node) => {
      node.radius = node.hop === 0 ? 15 : 10;
      const group = node.groups?.[0] ?? "";
      const title = `${node.name}\n${node.cui} · ${(node.semantic_types ?? []).join(", ")}`;
      node.mark = svg("g", { class: `node group-${group}${node.hop === 0 ? " start" : ""}`, tabindex: 0,
        "data-cui": node.cui, role: "button", "aria-label": node.name },
      svg("title", {}, title), svg("circle", { r: node.radius }),
      svg("text", { y: node.radius + 13 }, node.name.length > 28 ? `${node.name.slice(0, 27)}…` : node.name));
      node.mark.addEventListener("keydown", (event) => event.key === "Enter" && this.open(node.cui));
      node.mark.addEventListener("pointerenter", () => this.light(node));
      node.mark.addEventListener("pointerleave", () => this.light(null));
      return node.mark;
    }));
  }

  light(node) {
    const near = new Set(this.edges.filter((edge) => edge.a === node || edge.b === node)
      .flatMap((edge) => [edge.a, edge.b]));
    for (const other of this.nodes.values()) other.mark.classList.toggle("dimmed", Boolean(node) && near.size > 0 && !near.has(other));
    for (const edge of this.edges) {
      const off = Boolean(node) && edge.a !== node && edge.b !== node;
      edge.line.classList.toggle("dimmed", off);
      edge.label?.classList.toggle("dimmed", off);
    }
  }

  step() {
    const nodes = [...this.nodes.values()];
    for (let i = 0; i < nodes.length; i += 1) {
      for (let j = i + 1; j < nodes.length; j += 1) {
        push(nodes[i], nodes[j]);
        clear(nodes[i], nodes[j]);
      }
      nodes[i].vx -= nodes[i].x * CENTRE;
      nodes[i].vy -= nodes[i].y * CENTRE;
    }
    for (const { a, b } of this.edges) pull(a, b);
    for (const node of nodes) {
      const limit = Math.min(1, 40 / (Math.hypot(node.vx, node.vy) || 1));
      if (node !== this.held) {
        node.x += node.vx * limit * this.heat;
        node.y += node.vy * limit * this.heat;
      }
      node.vx *= 0.55;
      node.vy *= 0.55;
    }
    this.heat *= 0.985;
  }

  settle(steps) {
    for (let i = 0; i < steps; i += 1) this.step();
    this.fit();
  }

  run() {
    if (this.running) return;
    this.running = true;
    const frame = () => {
      this.step();
      this.place();
      this.running = this.heat > 0.02 || Boolean(this.held);
      if (this.running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  fit() {
    const nodes = [...this.nodes.values()];
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!nodes.length || !width) return;
    const extent = (key) => [Math.min(...nodes.map((n) => n[key])), Math.max(...nodes.map((n) => n[key]))];
    const [[left, right], [top, bottom]] = [extent("x"), extent("y")];
    const scale = Math.min(1.25, (width - 150) / (right - left || 1), (height - 110) / (bottom - top || 1));
    this.view = { scale, x: -scale * (left + right) / 2, y: -scale * (top + bottom) / 2 };
    this.place();
  }

  place() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    const { x, y, scale } = this.view;
    this.world.setAttribute("transform", `translate(${width / 2 + x} ${height / 2 + y}) scale(${scale})`);
    for (const node of this.nodes.values()) node.mark.setAttribute("transform", `translate(${node.x} ${node.y})`);
    for (const edge of this.edges) drawEdge(edge);
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const { x, y, scale } = this.view;
    return [(event.clientX - box.left - box.width / 2 - x) / scale, (event.clientY - box.top - box.height / 2 - y) / scale];
  }

  grab(event) {
    const node = this.nodes.get(event.target.closest(".node")?.dataset.cui);
    const from = { x: event.clientX, y: event.clientY, view: { ...this.view } };
    let moved = false;
    this.held = node;
    this.pressed = [this.pressed.at(-1), node];
    const move = (to) => {
      const [dx, dy] = [to.clientX - from.x, to.clientY - from.y];
      moved ||= Math.hypot(dx, dy) > DRAG_TOLERANCE;
      if (!moved) return;
      if (node) {
        [node.x, node.y] = this.point(to);
        this.heat = Math.max(this.heat, 0.3);
        this.run();
      } else {
        this.view = { ...this.view, x: from.view.x + dx, y: from.view.y + dy };
        this.place();
      }
    };
    const release = () => {
      this.held = null;
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", release);
      removeEventListener("pointercancel", release);
      if (node && !moved) this.choose(node.cui);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", release);
    addEventListener("pointercancel", release);
  }

  zoom(event) {
    event.preventDefault();
    const [x, y] = this.point(event);
    const scale = Math.min(4, Math.max(0.15, this.view.scale * Math.exp(-event.deltaY / 500)));
    const change = this.view.scale - scale;
    this.view = { scale, x: this.view.x + x * change, y: this.view.y + y * change };
    this.place();
  }
}

function push(a, b) {
  const [dx, dy] = [a.x - b.x || 0.1, a.y - b.y || 0.1];
  const force = REPULSION / (dx * dx + dy * dy + 60) / Math.hypot(dx, dy);
  a.vx += dx * force;
  a.vy += dy * force;
  b.vx -= dx * force;
  b.vy -= dy * force;
}

// Names that would lie over each other move apart, up and down.
function clear(a, b) {
  const [dx, dy] = [a.x - b.x, a.y - b.y || 0.1];
  const width = 3.1 * (Math.min(28, a.name.length) + Math.min(28, b.name.length));
  if (Math.abs(dx) > width || Math.abs(dy) > NAME_HEIGHT) return;
  const force = 0.25 * (NAME_HEIGHT - Math.abs(dy)) * Math.sign(dy);
  a.vy += force;
  b.vy -= force;
}

function pull(a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const distance = Math.hypot(dx, dy) || 1;
  const force = 0.06 * (distance - LENGTH) / distance;
  a.vx += dx * force;
  a.vy += dy * force;
  b.vx -= dx * force;
  b.vy -= dy * force;
}

// Edges between the same two concepts bend apart.
function drawEdge({ a, b, bend, line, label }) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const distance = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / distance, dy / distance];
  const side = bend ? 26 * Math.ceil(bend / 2) * (bend % 2 ? 1 : -1) : 0;
  const [mx, my] = [(a.x + b.x) / 2 - uy * side, (a.y + b.y) / 2 + ux * side];
  const [x1, y1, x2, y2] = [a.x + ux * a.radius, a.y + uy * a.radius, b.x - ux * (b.radius + 3), b.y - uy * (b.radius + 3)];
  line.setAttribute("d", `M${x1} ${y1} Q${mx} ${my} ${x2} ${y2}`);
  label?.setAttribute("transform", `translate(${(mx + (a.x + b.x) / 2) / 2} ${(my + (a.y + b.y) / 2) / 2 - 3})`);
}
