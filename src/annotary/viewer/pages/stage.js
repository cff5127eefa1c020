// One image in the whole window, with the list of its annotations.
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

export class Stage {
  constructor(page) {
    this.page = page;
    this.visible = false;
    this.bare = false;
    this.picked = -1;
    $("close").addEventListener("click", () => page.go({ open: null }));
    $("before").addEventListener("click", () => this.step(-1));
    $("after").addEventListener("click", () => this.step(1));
    $("shown").addEventListener("click", () => this.toggle());
    new ResizeObserver(() => this.fit()).observe($("picture"));
  }

  hide() {
    this.visible = false;
    $("stage").hidden = true;
    this.n = null;
  }

  async show(n) {
    this.visible = true;
    $("stage").hidden = false;
    if (this.n === n) return;
    this.n = n;
    const found = await this.page.get(`/api/image/${n}`);
    if (this.n !== n) return;
    this.image = found;
    $("title").textContent = `${found.name}  ${found.width} × ${found.height}`;
    this.load();
    this.list();
    this.pick(-1);
    this.fit();
  }

  load() {
    $("large").alt = this.image.name;
    $("large").src = this.page.picture(this.n, this.bare);
    $("shown").setAttribute("aria-pressed", String(!this.bare));
  }

  fit() {
    if (!this.image) return;
    const box = $("picture");
    const wide = box.clientWidth - 32;
    const high = box.clientHeight - 16;
    const scale = Math.min(wide / this.image.width, high / this.image.height);
    $("fit").style.width = `${this.image.width * scale}px`;
    $("fit").style.height = `${this.image.height * scale}px`;
  }

  list() {
    const { element, colour } = this.page;
    const { annotations, width, height, groups } = this.image;
    const rows = annotations.map((each, at) => {
      const row = element("button", "");
      const swatch = element("b", "", { className: "swatch" });
      swatch.style.background = colour(each.tag);
      const [x0, y0, x1, y1] = each.box ?? [0, 0, 0, 0];
      const size = `${Math.round((x1 - x0) * width)} × ${Math.round((y1 - y0) * height)} px`;
      const score = each.score === null ? "" : ` ${each.score.toFixed(2)}`;
      row.append(swatch, element("span", each.tag));
      row.append(element("i", `${each.kind}${score}${each.box ? `, ${size}` : ""}`));
      row.addEventListener("click", () => this.pick(at));
      return row;
    });
    const count = annotations.length === 1 ? "1 annotation" : `${annotations.length} annotations`;
    const text = [count, ...groups].join(" · ");
    $("list").replaceChildren(element("h2", this.image.name), element("p", text), ...rows);
  }

  pick(at) {
    this.picked = at;
    $("fit").querySelector("svg")?.remove();
    $("list").querySelectorAll("button").forEach((row, number) => {
      row.setAttribute("aria-pressed", String(number === at));
      if (number === at) row.scrollIntoView({ block: "nearest" });
    });
    const box = this.image.annotations[at]?.box;
    if (!box) return;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 1 1");
    svg.setAttribute("preserveAspectRatio", "none");
    const rect = document.createElementNS(SVG, "rect");
    const [x0, y0, x1, y1] = box;
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) {
      rect.setAttribute(name, String(Math.max(value, name.length > 1 ? 0 : value)));
    }
    svg.append(rect);
    $("fit").append(svg);
  }

  step(by) {
    const next = this.page.neighbour(this.n, by);
    if (next !== null) this.page.go({ open: next }, true);
  }

  toggle() {
    this.bare = !this.bare;
    this.load();
  }

  key(event) {
    const last = (this.image?.annotations.length ?? 0) - 1;
    if (event.key === "Escape") this.page.go({ open: null });
    else if (event.key === "ArrowLeft") this.step(-1);
    else if (event.key === "ArrowRight") this.step(1);
    else if (event.key === "a") this.toggle();
    else if (event.key === "j") this.pick(Math.min(last, this.picked + 1));
    else if (event.key === "k") this.pick(Math.max(0, this.picked - 1));
  }
}
