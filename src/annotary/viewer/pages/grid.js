// A grid of any length: only the tiles in sight exist.
const GAP = 10;
const FOOT = 30;
const WANTED = 210;
const PAGE = 60;

export class Grid {
  constructor(box, space, { page, picture, open }) {
    Object.assign(this, { box, space, page, picture, open });
    this.total = 0;
    this.current = 0;
    this.turn = 0;
    this.forget();
    box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(box);
  }

  forget() {
    this.cards = new Map();
    this.asked = new Set();
    for (const tile of this.tiles?.values() ?? []) tile.remove();
    this.tiles = new Map();
  }

  // Show the first page of another view; answers what the server says of it.
  async fill(empty) {
    const turn = ++this.turn;
    const found = await this.page(0, PAGE);
    if (turn !== this.turn) return found;
    this.forget();
    this.total = found.total;
    this.current = 0;
    this.take(found);
    this.asked.add(0);
    this.box.scrollTop = 0;
    this.box.querySelector(".empty")?.remove();
    if (!this.total) {
      const text = document.createElement("p");
      text.className = "empty";
      text.textContent = empty();
      this.box.append(text);
    }
    this.draw();
    return found;
  }

  take(found) {
    found.cards.forEach((card, at) => this.cards.set(found.start + at, card));
  }

  async ask(start) {
    if (this.asked.has(start)) return;
    this.asked.add(start);
    const turn = this.turn;
    const found = await this.page(start, PAGE);
    if (turn !== this.turn) return;
    this.take(found);
    this.draw();
  }

  measure() {
    const width = this.box.clientWidth - 2 * GAP;
    this.columns = Math.max(1, Math.round(width / WANTED));
    this.side = Math.floor((width - GAP * (this.columns - 1)) / this.columns);
    this.row = Math.round(this.side * 0.75) + FOOT + GAP;
  }

  draw() {
    this.measure();
    const rows = Math.ceil(this.total / this.columns);
    this.space.style.height = `${rows * this.row + GAP}px`;
    const top = Math.max(0, Math.floor(this.box.scrollTop / this.row) - 1);
    const seen = Math.ceil(this.box.clientHeight / this.row) + 2;
    const first = top * this.columns;
    const end = Math.min(this.total, (top + seen) * this.columns);
    for (const [at, tile] of this.tiles) {
      if (at < first || at >= end) {
        tile.remove();
        this.tiles.delete(at);
      }
    }
    for (let at = first; at < end; at++) {
      const card = this.cards.get(at);
      if (card) this.place(at, card);
      else this.ask(Math.floor(at / PAGE) * PAGE);
    }
  }

  place(at, card) {
    let tile = this.tiles.get(at);
    if (!tile) {
      tile = document.createElement("button");
      tile.className = "tile";
      tile.tabIndex = -1;
      const image = document.createElement("img");
      image.alt = "";
      image.src = this.picture(card.n);
      const name = document.createElement("span");
      name.textContent = card.name;
      tile.append(image, name);
      tile.addEventListener("click", () => {
        this.current = at;
        this.open(card.n);
      });
      this.tiles.set(at, tile);
      this.space.append(tile);
    }
    tile.style.width = `${this.side}px`;
    tile.firstChild.style.height = `${Math.round(this.side * 0.75)}px`;
    tile.style.left = `${GAP + (at % this.columns) * (this.side + GAP)}px`;
    tile.style.top = `${Math.floor(at / this.columns) * this.row}px`;
    tile.classList.toggle("current", at === this.current);
  }

  // The number of the image beside another one in this view, or null.
  neighbour(n, step) {
    for (const [at, card] of this.cards) {
      if (card.n !== n) continue;
      const next = this.cards.get(at + step);
      if (!next) {
        this.ask(Math.floor(Math.max(0, at + step) / PAGE) * PAGE);
        return null;
      }
      this.current = at + step;
      return next.n;
    }
    return null;
  }

  key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    steps.ArrowUp = -this.columns;
    steps.ArrowDown = this.columns;
    if (event.key === "Enter" && !event.target.matches("button:not(.tile)")) {
      const card = this.cards.get(this.current);
      if (card) this.open(card.n);
    } else if (event.key in steps) {
      event.preventDefault();
      const next = this.current + steps[event.key];
      if (next < 0 || next >= this.total) return;
      this.current = next;
      const top = Math.floor(next / this.columns) * this.row;
      const low = this.box.scrollTop + this.box.clientHeight - this.row;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top > low) this.box.scrollTop = top - this.box.clientHeight + this.row;
      this.draw();
    }
  }
}
