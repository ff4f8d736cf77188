// The show: what of its lists is on air, what comes next, and buttons to hold it, to go on, or to jump.

import { element, notice, setValue, showList, the } from "./dom.js";

const TITLES = { playlist: "Playlist", programme: "Programme" };
const STATUSES = {
  "by-hand": "Something else is set by hand",
  waiting: "Nothing of it is there; it is tried again",
  over: "Over",
  off: "Nothing is on now",
};

const time = (unix_s) => new Date(unix_s * 1000).toLocaleTimeString([], { timeStyle: "medium" });

export class Show {
  #on;
  #known = "";
  #lists = {};
  /** What is told now of each list that the stream has. */
  #parts = [];

  /** `on.command(button, request)` sends a command, `on.lists()` promises the show with its lists. */
  constructor(on) {
    this.#on = on;
  }

  /** Shows what the stream of that name tells of its show. */
  show(name, state) {
    const parts = (this.#parts = Object.entries(state).filter(([part, now]) => TITLES[part] && now));
    the("show").hidden = !parts.length;
    showList(the("show-parts"), parts.map(([part]) => [name, part]), ([, part]) => this.#row(part));
    this.#fillAll();
    const known = JSON.stringify([name, parts.map(([part, { items: _, ...now }]) => [part, now])]);
    if (known === this.#known || !parts.length) return;
    // Lists are asked for when something happens: folders and what is missing of them change.
    this.#known = known;
    this.#on.lists().then(
      (lists) => {
        this.#lists = lists;
        // By what is told by now: that may be newer than what asked for the lists.
        this.#fillAll();
      },
      (problem) => notice(problem.message),
    );
  }

  #row(part) {
    const row = element("li");
    const title = TITLES[part];
    const button = (className, text, label, request) => {
      const made = element("button", { type: "button", className, title: label, ariaLabel: label }, text);
      made.onclick = () => this.#on.command(made, { [part]: request(made) });
      return made;
    };
    const tools = element("div", { className: "row" });
    const jump = element("select", { ariaLabel: `Go to a place of the ${title.toLowerCase()}` });
    jump.onchange = () => this.#on.command(jump, { [part]: { jump: Number(jump.value) } });
    tools.append(
      button("hold", "Pause", `Hold the ${title.toLowerCase()}, or go on`, (made) => made.dataset.request),
      button("skip", "Next", `Go on in the ${title.toLowerCase()}`, () => "next"),
      jump,
    );
    row.append(element("b", {}, title), element("span", { className: "now" }), element("small"), tools);
    return row;
  }

  #fillAll() {
    this.#parts.forEach(([part, now], place) => this.#fill(the("show-parts").children[place], part, now));
  }

  #fill(row, part, { name, status, on_air, next, next_unix_s }) {
    const text = (selector, text) => {
      const found = row.querySelector(selector);
      if (found.textContent !== text) found.textContent = text;
    };
    text(".now", [name, on_air?.title ?? STATUSES[status]].filter(Boolean).join(": "));
    const at = next_unix_s && time(next_unix_s);
    text("small", next ? [`Next: ${next}`, at].filter(Boolean).join(", ") : at ? `Until ${at}` : "");
    const hold = row.querySelector(".hold");
    const goesOn = status === "paused" || status === "by-hand";
    hold.dataset.request = goesOn ? "resume" : "pause";
    text(".hold", goesOn ? "Resume" : "Pause");
    const jump = row.querySelector("select");
    const items = this.#lists[part]?.items ?? [];
    showList(jump, items, ({ title, missing }, place) =>
      element("option", { value: place, title: missing ?? "" }, missing ? `${title} (missing)` : title),
    );
    jump.hidden = items.length < 2;
    if (on_air) setValue(jump, on_air.place);
  }
}
