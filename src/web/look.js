// The look panel: the mix of styles and a control for each other parameter, for the live picture or for a photograph.

import { element, setValue, the } from "./dom.js";
import { control, percent } from "./parameters.js";

/** The same mix with a sum of 1. */
export function normalised(mix) {
  const sum = Object.values(mix).reduce((sum, weight) => sum + weight, 0);
  return Object.fromEntries(Object.entries(mix).map(([name, weight]) => [name, sum > 0 ? weight / sum : 0]));
}

/** `mix` with `name` at `weight`; the others keep their proportions in what is left. */
export function weighed(mix, name, weight) {
  const others = Object.entries(mix).filter(([other]) => other !== name);
  const sum = others.reduce((sum, [, weight]) => sum + weight, 0);
  const share = ([other, old]) => [other, (1 - weight) * (sum > 0 ? old / sum : 1 / others.length)];
  return Object.fromEntries([[name, weight], ...others.map(share)].sort());
}

/** `mix` with `name` put in with an equal share, or taken out. */
export function toggled(mix, name) {
  if (!(name in mix)) return weighed(mix, name, 1 / (Object.keys(mix).length + 1));
  const { [name]: _, ...others } = mix;
  const isNothing = Object.values(others).every((weight) => weight === 0);
  return normalised(isNothing ? Object.fromEntries(Object.keys(others).map((other) => [other, 1])) : others);
}

export class LookPanel {
  #change;
  #rows = new Map();
  #shown = "";
  /** The mix that is shown. */
  #mix = {};
  /** The mix when the hand took hold of a slider, so that nothing gets lost at its ends. */
  #held = null;
  /** The controls of the other parameters. */
  #controls = [];

  /** `change(patch)` is called with what is wished. */
  constructor(change) {
    this.#change = change;
  }

  /** Makes the controls, of the parameters as the daemon describes them. */
  learn(parameters) {
    const all = Object.entries(parameters).sort(([, one], [, other]) => one["x-place"] - other["x-place"]);
    this.#controls = all.map(([name, about]) => control(name, about, this.#change)).filter(Boolean);
    the("parameters").replaceChildren(...this.#controls.map(({ part }) => part));
  }

  /** Shows a look, which paints with `styles`. */
  show(look, styles) {
    this.#controls.forEach((control) => control.show(look, styles));
    this.#showMix(normalised(look.styles), new Map(styles.map((style) => [style.name, style.title])));
  }

  #showMix(mix, titles) {
    const names = Object.keys(mix);
    const title = (name) => titles.get(name) ?? name;
    const shown = names.map((name) => `${name}: ${title(name)}`).join();
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#rows = new Map(names.map((name) => [name, this.#row(name, title(name))]));
      the("mix").replaceChildren(...[...this.#rows.values()].map(({ row }) => row));
    }
    for (const [name, { row, input, output }] of this.#rows) {
      row.classList.toggle("alone", names.length < 2);
      setValue(input, mix[name].toFixed(2));
      output.textContent = percent(mix[name]);
    }
    this.#mix = mix;
    the("mix-hint").textContent = names.length < 2 ? "Press + on other styles to mix them in." : "";
  }

  #row(name, title) {
    const row = element("li");
    const label = element("label", { className: "slider" }, title);
    const output = element("output");
    const input = element("input", { type: "range", min: 0, max: 1, step: 0.01 });
    input.oninput = () => {
      this.#held ??= this.#mix;
      this.#change({ styles: weighed(this.#held, name, Number(input.value)) });
    };
    input.onchange = () => (this.#held = null);
    const remove = element("button", { type: "button", title: `Take ${title} out of the mix` }, "×");
    remove.setAttribute("aria-label", remove.title);
    remove.onclick = () => this.#change({ styles: toggled(this.#mix, name) });
    label.append(output, input);
    row.append(label, remove);
    return { row, input, output };
  }
}
