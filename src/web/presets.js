// The presets: looks with names, which are painted with by a click or a digit, changed, moved, and kept in a file.

import { askJson } from "./api.js";
import { download, element, notice, showList, the } from "./dom.js";

const path = (name) => `presets/${encodeURIComponent(name)}`;
const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

export class Presets {
  #list = [];
  #paint;

  /** `paint(name)` paints with one; `painted()` is what a new one keeps: look, network and size of the stream, if there is one. */
  constructor({ paint, painted }) {
    this.#paint = paint;
    the("preset-form").onsubmit = (event) => {
      event.preventDefault();
      const name = the("preset-name").value.trim();
      const now = painted();
      if (!name || !now) return;
      this.#change(async () => {
        await askJson("PUT", path(name), now);
        the("preset-name").value = "";
      });
    };
    the("preset-export").onclick = () => {
      const list = this.#list.map(({ missing: _, ...preset }) => preset);
      download(new Blob([JSON.stringify(list, null, 2)], { type: "application/json" }), "impasto-presets.json");
    };
    the("preset-import").onchange = ({ target }) => {
      const [file] = target.files;
      if (file) this.#change(() => this.#import(file));
      target.value = "";
    };
  }

  /** Shows what the daemon knows. */
  show(list) {
    this.#list = list;
    the("preset-export").hidden = !list.length;
    showList(the("presets"), list, (preset, place) => this.#row(preset, place));
  }

  /** Paints with the preset that has this key, if there is one. */
  press(digit) {
    const preset = this.#list.find(({ key }) => String(key) === digit);
    if (preset) this.#paint(preset.name);
    return Boolean(preset);
  }

  #row(preset, place) {
    const { name, key, missing = [] } = preset;
    const row = element("li");
    const paint = element("button", { type: "button", className: "paint", onclick: () => this.#paint(name) });
    paint.append(element("kbd", {}, key ?? ""), element("span", {}, name));
    if (missing.length) {
      paint.disabled = true;
      paint.append(element("small", {}, `Missing: ${missing.join(", ")}`));
    }
    const more = element("details");
    const summary = element("summary", { title: `Change ${name}` }, "⋯");
    summary.setAttribute("aria-label", summary.title);
    const put = (wish) => this.#change(() => askJson("PUT", path(name), wish));
    const rename = element("form", { onsubmit: (event) => (event.preventDefault(), put({ name: input.value.trim() })) });
    const input = element("input", { value: name, maxLength: 60, required: true, ariaLabel: `New name of ${name}` });
    rename.append(input, element("button", {}, "Rename"));
    const keys = element("select", { onchange: () => put({ key: Number(keys.value) }) });
    keys.append(element("option", { value: 0 }, "none"), ...DIGITS.map((digit) => element("option", { value: digit }, digit)));
    keys.value = key ?? 0;
    const label = element("label", { className: "row" }, "Key ");
    label.append(keys);
    const button = (text, title, onclick, disabled = false) =>
      element("button", { type: "button", title, ariaLabel: title, onclick, disabled }, text);
    const tools = element("div", { className: "row" });
    tools.append(
      button("↑", `Move ${name} up`, () => put({ place: place - 1 }), place === 0),
      button("↓", `Move ${name} down`, () => put({ place: place + 1 }), place === this.#list.length - 1),
      button("Delete", `Delete ${name}`, () => this.#change(() => askJson("DELETE", path(name)))),
    );
    more.append(summary, rename, label, tools);
    row.append(paint, more);
    return row;
  }

  /** A file as the export writes it: those that have the same name are replaced. */
  async #import(file) {
    const list = JSON.parse(await file.text());
    if (!Array.isArray(list)) throw new Error("it holds no list of presets");
    for (const { name, missing: _, ...preset } of list) {
      await askJson("PUT", path(String(name)), { ...preset, key: preset.key ?? 0 });
    }
    notice(`${list.length} presets were read from ${file.name}.`, "news");
  }

  async #change(action) {
    try {
      await action();
    } catch (problem) {
      notice(problem.message);
    }
  }
}
