// Controls of the look's parameters, made of what the daemon's OpenAPI document says of each.

import { element, setValue } from "./dom.js";

export const percent = (value) => `${Math.round(value * 100)} %`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** The control of a parameter, which calls `change(patch)`; nothing for the styles, which the gallery has. `part` is what stands
 * in the page, and `show(look, styles)` shows the value in a look with these styles. */
export function control(name, about, change) {
  const make = about.enum ? choice : { boolean: check, number: slider, integer: slider, string: text }[about.oneOf?.[0].type ?? about.type];
  if (!make) return null;
  const part = element("div", { id: `${about["x-word"]}-part`, title: about.description });
  part.classList.toggle("live-only", about["x-of-time"]);
  const showValue = make(part, about, (value) => change({ [name]: value }));
  const ofStyles = about["x-of-styles-with"];
  const show = (look, styles) => {
    showValue(look[name]);
    part.hidden = Boolean(ofStyles) && !styles.some((style) => style[ofStyles]);
  };
  return { part, show };
}

function check(part, about, change) {
  const input = element("input", { type: "checkbox", id: about["x-word"], onchange: () => change(input.checked) });
  part.append(labelled("check", input, ` ${about.title}`));
  return (value) => (input.checked = value);
}

function choice(part, about, change) {
  const input = element("select", { id: about["x-word"], onchange: () => change(input.value) });
  input.append(...about.enum.map((value, place) => element("option", { value }, about["x-titles"][place])));
  part.append(beside(about.title, input));
  return (value) => setValue(input, value);
}

function text(part, about, change) {
  const { "x-word": id, "x-placeholder": placeholder } = about;
  const input = element("input", { id, placeholder, autocomplete: "off", spellcheck: false, onchange: () => change(input.value) });
  part.append(beside(about.title, input));
  return (value) => document.activeElement === input || setValue(input, value);
}

function beside(title, input) {
  const label = element("label", { className: "row" }, `${title} `);
  label.append(input);
  return label;
}

/** A slider, and a switch beside it where a word may take the number's place. */
function slider(part, about, change) {
  const { "x-word": id, "x-usual": usual, "x-switch": word, "x-ends": ends = [] } = about;
  const range = about.oneOf?.[0] ?? about;
  const [max, step] = usual ? [usual, usual / 50] : [range.maximum, 0.01];
  const input = element("input", { type: "range", id, min: range.minimum, max, step, oninput: () => change(Number(input.value)) });
  // Until a number is shown; by itself it would be at the end of a range that was set part by part.
  setValue(input, (range.minimum + max) / 2);
  const output = element("output");
  const label = element("label", { className: "slider" }, `${about.title} `);
  label.append(output, input);
  part.append(label);
  const isWord = (value) => word && value === word.value;
  let box = null;
  if (word) {
    box = element("input", { type: "checkbox", id: `${id}-${word.value}` });
    box.onchange = () => change(box.checked ? word.value : Number(input.value));
    part.append(labelled("check", box, ` ${word.title}`));
  }
  const numeral = usual ? seconds : percent;
  return (value) => {
    // What is chosen by itself leaves the slider where the hand left it.
    if (!isWord(value)) setValue(input, value);
    if (box) box.checked = isWord(value);
    output.textContent = isWord(value) ? value : ({ 0: ends[0], 1: ends[1] }[value] ?? numeral(value));
  };
}

function labelled(className, box, title) {
  box.setAttribute("role", "switch");
  const label = element("label", { className });
  label.append(box, title);
  return label;
}
