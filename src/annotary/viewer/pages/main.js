// The address is the view: everything that is shown follows from it and from the server.
import { Grid } from "./grid.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const FILTERS = ["tag", "problem", "kind", "name"];
const TITLES = { tag: "Tags", problem: "Problems", kind: "Bound type" };

export async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

export function element(kind, text, props = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  return Object.assign(made, props);
}

const address = () => new URLSearchParams(location.search);

function go(changes, replace = false) {
  const next = address();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history[replace ? "replaceState" : "pushState"](null, "", text ? `?${text}` : "/");
  return show();
}

let summary;
let shown = null;
const grid = new Grid($("grid"), $("space"), {
  page: (start, limit) => get(`/api/cards?${filters()}&start=${start}&limit=${limit}`),
  picture: (n) => `/picture/${n}?size=320${tagPart()}`,
  open: (n) => go({ open: n }),
});
const stage = new Stage({
  go,
  get,
  element,
  neighbour: (n, step) => grid.neighbour(n, step),
  colour: (tag) => summary.colours[tag] ?? "#a3aab8",
  picture: (n, bare) => `/picture/${n}?size=1600${bare ? "&bare=1" : tagPart()}`,
});

function filters() {
  const chosen = new URLSearchParams();
  for (const name of [...FILTERS, "sort"]) {
    if (address().has(name)) chosen.set(name, address().get(name));
  }
  return chosen.toString();
}

function tagPart() {
  const tag = address().get("tag");
  return tag ? `&tag=${encodeURIComponent(tag)}` : "";
}

function facets(found) {
  const parts = [];
  for (const [facet, title] of Object.entries(TITLES)) {
    const counts = Object.entries(found[facet]);
    if (!counts.length) continue;
    parts.push(element("h2", title));
    for (const [value, count] of counts) parts.push(choice(facet, value, count));
  }
  $("facets").replaceChildren(...parts);
}

function choice(facet, value, count) {
  const pressed = address().get(facet) === value;
  const row = element("button", "", { className: count ? "" : "none" });
  row.setAttribute("aria-pressed", String(pressed));
  if (facet === "tag") {
    const swatch = element("b", "", { className: "swatch" });
    swatch.style.background = summary.colours[value];
    row.append(swatch);
  } else if (facet === "problem") {
    row.append(element("b", "⚠"));
  }
  row.append(element("span", facet === "problem" ? summary.problems[value] : value));
  row.append(element("i", count.toLocaleString("en")));
  row.addEventListener("click", () => go({ [facet]: pressed ? null : value, open: null }));
  return row;
}

function chips() {
  const parts = FILTERS.filter((name) => address().get(name)).map((name) => {
    const value = address().get(name);
    const text = name === "problem" ? (summary.problems[value] ?? value) : value;
    const chip = element("button", `${text} ✕`);
    chip.setAttribute("aria-label", `Remove ${text}`);
    chip.addEventListener("click", () => go({ [name]: null }));
    return chip;
  });
  $("chips").replaceChildren(...parts);
}

function empty() {
  if (!summary.images) return "There are no images yet: import some, then start again.";
  return "Nothing matches. Remove a filter above to see more.";
}

async function show() {
  const wanted = filters();
  if (shown !== wanted) {
    const found = await grid.fill(empty);
    if (filters() !== wanted) return;
    shown = wanted;
    facets(found.facets);
    const all = found.total === summary.images ? "" : ` of ${summary.images.toLocaleString("en")}`;
    const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
    $("count").textContent =
      `${many(found.total, "image")}${all}, ${many(found.objects, "annotation")}`;
    chips();
  }
  $("sort").value = address().get("sort") ?? "order";
  if (document.activeElement !== $("name")) $("name").value = address().get("name") ?? "";
  const open = address().get("open");
  if (open === null) stage.hide();
  else await stage.show(Number(open));
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") {
    event.preventDefault();
    $("name").focus();
  } else if (stage.visible) {
    stage.key(event);
  } else {
    grid.key(event);
  }
}

function theme(chosen) {
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("theme", chosen);
}

async function start() {
  const light = matchMedia("(prefers-color-scheme: light)").matches;
  theme(localStorage.getItem("theme") ?? (light ? "light" : "dark"));
  summary = await get("/api/summary");
  document.title = `${summary.name} – Annotary`;
  $("project").textContent = `/ ${summary.name}`;
  $("records").textContent = summary.records;
  $("theme").addEventListener("click", () =>
    theme(document.documentElement.dataset.theme === "light" ? "dark" : "light"));
  $("name").addEventListener("input", () => go({ name: $("name").value, open: null }, true));
  $("sort").addEventListener("change", () => go({ sort: $("sort").value }));
  addEventListener("popstate", show);
  addEventListener("keydown", key);
  await show();
  $("grid").focus();
}

start().catch((error) => document.body.replaceChildren(element("p", String(error.message))));
