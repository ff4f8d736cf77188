// What the sound drives: a row for each parameter of the look that it can drive, and how loud it is.

import { element, setValue, the } from "./dom.js";

const BANDS = { "": "–", level: "All of it", low: "Low", mid: "Mid", high: "High" };
const LEVELS = Object.keys(BANDS).filter(Boolean);
/** The numbers of a drive: label, what is set beside a new band, and what an input takes. */
const NUMBERS = {
  from: ["Silent", 0, { max: 1, step: 0.05 }],
  to: ["Loud", 1, { max: 1, step: 0.05 }],
  attack_ms: ["Attack, ms", 30, { max: 10_000, step: 10 }],
  release_ms: ["Release, ms", 300, { max: 10_000, step: 10 }],
};

export class Drives {
  #on;
  #rows = [];

  /** `on.set(control, parameter, drive)` lets the sound drive a parameter, `on.remove(control, parameter)` leaves it to the look. */
  constructor(on) {
    this.#on = on;
    const meter = (band) => {
      const label = element("label", {}, BANDS[band]);
      label.append(element("meter", { min: 0, max: 1, value: 0 }));
      return label;
    };
    the("levels").append(...LEVELS.map(meter));
  }

  /** Makes the rows, of the parameters as the daemon describes them. */
  learn(parameters) {
    const all = Object.entries(parameters).filter(([, about]) => about["x-driven"]);
    all.sort(([, one], [, other]) => one["x-place"] - other["x-place"]);
    this.#rows = all.map(([name, about]) => this.#row(name, about.title));
    the("drives").replaceChildren(...this.#rows.map(({ row }) => row));
  }

  #row(name, title) {
    const row = element("li", { id: `drive-${name}` });
    const by = element("select");
    by.append(...Object.entries(BANDS).map(([value, text]) => element("option", { value }, text)));
    const label = element("label", { className: "row" }, `${title} `);
    label.append(by);
    const numbers = element("div", { className: "numbers" });
    const inputs = Object.entries(NUMBERS).map(([key, [text, value, range]]) => {
      const input = element("input", { type: "number", name: key, min: 0, value, ...range });
      const label = element("label", {}, text);
      label.append(input);
      numbers.append(label);
      return input;
    });
    const now = element("small");
    row.append(label, now, numbers);
    const set = ({ target }) => {
      if (!by.value) return this.#on.remove(target, name);
      const values = inputs.map((input) => [input.name, Number(input.value)]);
      return this.#on.set(target, name, { by: by.value, ...Object.fromEntries(values) });
    };
    for (const input of [by, ...inputs]) input.onchange = set;
    return { name, row, by, numbers, inputs, now };
  }

  /** Shows what is driven. */
  show({ note, drives, ...levels }) {
    for (const { name, by, numbers, inputs, now } of this.#rows) {
      const drive = drives[name];
      setValue(by, drive?.by ?? "");
      numbers.hidden = !drive;
      if (drive) inputs.filter((input) => input !== document.activeElement).forEach((input) => setValue(input, drive[input.name]));
      now.textContent = typeof drive?.now === "number" ? `Now ${drive.now.toFixed(2)}` : "";
    }
    the("levels").hidden = !Object.keys(drives).length;
    LEVELS.forEach((band, place) => (the("levels").querySelectorAll("meter")[place].value = levels[band]));
    the("drives-note").textContent = note ? "No sound comes from the source: all is as the look says." : "";
  }
}
