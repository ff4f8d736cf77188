// MIDI: what the knobs and keys of a device do, and learning what the next one that is moved shall do.

import { element, setValue, showList, the } from "./dom.js";

/** Parameters that a knob can set: not the mix, nor what is a text. */
const isBindable = (about) => about.enum || ["number", "integer", "boolean"].includes(about.oneOf?.[0].type ?? about.type);

export class Midi {
  #on;
  #titles = new Map();
  #presets = [];
  #state = null;

  /** `on.learn(control, target)` waits for a knob that shall do that, `on.cancel(control)` no longer; `on.unbind(control, id)` leaves
   * a knob alone. */
  constructor(on) {
    this.#on = on;
    the("midi-learn").onclick = ({ currentTarget: button }) => {
      if (button.dataset.learning) return on.cancel(button);
      const [kind, ...name] = the("midi-target").value.split(":");
      return on.learn(button, { [kind]: name.join(":") });
    };
  }

  /** Learns what can be bound, of the parameters as the daemon describes them. */
  learn(parameters) {
    const all = Object.entries(parameters).filter(([, about]) => isBindable(about));
    all.sort(([, one], [, other]) => one["x-place"] - other["x-place"]);
    this.#titles = new Map(all.map(([name, about]) => [name, about.title]));
    this.#showTargets();
    // By their titles.
    the("midi-bindings").dataset.key = "";
    if (this.#state) this.show(this.#state);
  }

  presets(list) {
    this.#presets = list.map(({ name }) => name);
    this.#showTargets();
  }

  #showTargets() {
    const select = the("midi-target");
    const chosen = select.value;
    const parameters = [...this.#titles].map(([name, title]) => [`parameter:${name}`, title]);
    const targets = [...parameters, ...this.#presets.map((name) => [`preset:${name}`, `Preset ${name}`])];
    showList(select, targets, ([value, text]) => element("option", { value }, text));
    if (targets.some(([value]) => value === chosen)) setValue(select, chosen);
  }

  #what({ stream, parameter, style, preset }) {
    const what = parameter ? (this.#titles.get(parameter) ?? parameter) : style ? `Weight of ${style}` : `Preset ${preset}`;
    return stream === "live" ? what : `${what} (${stream})`;
  }

  /** Shows what is bound, and whether something is being learnt. */
  show(state) {
    const { on, device, error, learning, bindings } = state;
    this.#state = state;
    the("midi").hidden = !on;
    if (!on) return;
    const button = the("midi-learn");
    button.dataset.learning = learning ? "yes" : "";
    const text = learning ? "Cancel" : "Learn";
    if (button.textContent !== text) button.textContent = text;
    const waiting = learning && `Move the knob, or press the key, for: ${this.#what(learning)}.`;
    the("midi-now").textContent = [waiting, error ?? (device && `Connected: ${device}`)].filter(Boolean).join(" ");
    showList(the("midi-bindings"), bindings, ({ control, ...target }) => {
      const row = element("li");
      const remove = element("button", { type: "button", title: `Leave ${control} alone` }, "×");
      remove.setAttribute("aria-label", remove.title);
      remove.onclick = () => this.#on.unbind(remove, control);
      row.append(element("b", {}, control), element("span", {}, this.#what(target)), remove);
      return row;
    });
  }
}
