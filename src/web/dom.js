// Small helpers for the document.

/** The element with that id. */
export const the = (id) => document.getElementById(id);

/** Makes an element with properties and a text. */
export function element(tag, properties = {}, text) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Saves a file of the page on the visitor's disk. */
export function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Shows a message for a while, or until it is clicked away; the same one is not shown twice. */
export function notice(text, kind = "problem") {
  // News is known already to whoever pressed the button, and must not lie over the next one for long.
  const shownMs = kind === "news" ? 5_000 : 12_000;
  const box = the("notices");
  [...box.children].filter((other) => other.dataset.text === text).forEach((other) => other.remove());
  const message = element("p", { className: kind }, text);
  message.dataset.text = text;
  const close = element("button", { type: "button", onclick: () => message.remove() }, "×");
  close.setAttribute("aria-label", "Close");
  message.append(close);
  box.append(message);
  setTimeout(() => message.remove(), shownMs);
}

/** Does nothing if that is what the input shows already, or while it is busy, so that nobody's hand is disturbed. */
export function setValue(input, value) {
  if (input.ariaBusy !== "true" && input.value !== String(value)) input.value = value;
}

/** Makes the rows of a list anew if what they show changed; `row(item, place)` makes one. */
export function showList(list, items, row) {
  const key = JSON.stringify(items);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...items.map(row));
}
