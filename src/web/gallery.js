// The gallery: one tile for each style, painted by our networks where a preview exists; a click paints with it.

import { element } from "./dom.js";

/**
 * Fills `box`. `styles` is what the API lists, `previews` the set of NETWORK/STYLE that have one.
 * `on.pick(style)` paints with one alone, `on.toggle(style)` puts it into the mix or takes it out, `on.remove(style)` removes
 * a painting that was kept.
 */
export class Gallery {
  #tiles = new Map();
  #on;

  constructor(box, styles, previews, on) {
    this.#on = on;
    const networks = Map.groupBy(styles, (style) => style.network);
    box.replaceChildren();
    for (const [network, styles] of networks) {
      if (networks.size > 1) box.append(element("h3", {}, network));
      const list = element("div", { className: "tiles" });
      for (const style of styles) {
        const tile = this.#tile(style, previews.has(`${network}/${style.name}`));
        this.#tiles.set(`${network}/${style.name}`, tile);
        list.append(tile.box);
      }
      box.append(list);
    }
    box.onkeydown = (event) => this.#key(event);
  }

  /** Marks what is painted: the weights of `mix` (their sum is 1) in `network`. */
  show(mix, network) {
    const many = Object.keys(mix).length > 1;
    for (const { box, pick, add, share, style } of this.#tiles.values()) {
      const own = style.network === network;
      const weight = own ? mix[style.name] : undefined;
      const inside = weight !== undefined;
      pick.setAttribute("aria-pressed", inside);
      box.classList.toggle("inside", inside);
      share.textContent = inside && many ? `${Math.round(weight * 100)} %` : "";
      add.hidden = !own || (inside && !many);
      add.textContent = inside ? "−" : "+";
      add.setAttribute("aria-label", inside ? `Take ${style.title} out of the mix` : `Mix in ${style.title}`);
      add.title = add.getAttribute("aria-label");
    }
  }

  #tile(style, hasPreview) {
    const pick = element("button", { type: "button", className: "pick" });
    pick.dataset.style = style.name;
    const art = element("span", { className: "art" });
    art.style.setProperty("--hue", hue(style.name));
    if (hasPreview) art.append(element("img", { src: `gallery/${style.network}/${style.name}.jpg`, alt: "", loading: "lazy" }));
    else art.append(element("i", {}, style.title.replace(/^(The|A) /, "").slice(0, 1)));
    const by = [style.artist, style.year].filter(Boolean).join(", ");
    const share = element("span", { className: "share" });
    pick.append(art, share, element("b", {}, style.title), element("small", {}, by || style.licence));
    pick.title = [style.title, by, style.licence].filter(Boolean).join("\n");
    const add = element("button", { type: "button", className: "add" });
    pick.onclick = (event) => (event.shiftKey && !add.hidden ? this.#on.toggle(style) : this.#on.pick(style));
    add.onclick = () => this.#on.toggle(style);
    const box = element("div", { className: "tile" });
    box.append(pick, add);
    if (style.painting) {
      const remove = element("button", { type: "button", className: "remove", title: `Remove the painting ${style.title}` }, "×");
      remove.setAttribute("aria-label", remove.title);
      remove.onclick = () => this.#on.remove(style);
      box.append(remove);
    }
    return { box, pick, add, share, style };
  }

  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    const tiles = [...this.#tiles.values()];
    const here = tiles.findIndex(({ pick }) => pick === event.target);
    if (!by || here < 0) return;
    event.preventDefault();
    // Up and down: the nearest tile of the row above or below.
    const { left, top } = tiles[here].box.getBoundingClientRect();
    const isRow = event.key === "ArrowUp" || event.key === "ArrowDown";
    const fits = ({ box }) => {
      const other = box.getBoundingClientRect();
      return !isRow || (Math.abs(other.left - left) < other.width / 2 && other.top !== top);
    };
    for (let next = here + by; tiles[next]; next += by) {
      if (fits(tiles[next])) return tiles[next].pick.focus();
    }
  }
}

/** A colour for a name, always the same. */
const hue = (name) => [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
