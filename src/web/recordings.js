// The finished recordings: played, downloaded, renamed and removed.

import { address, askJson } from "./api.js";
import { element, notice, showList, the } from "./dom.js";

const path = (file) => `recordings/${encodeURIComponent(file)}`;

/** 75.4 seconds are "1:15". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(power && value < 10 ? 1 : 0)} ${units[power]}`;
}

const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class Recordings {
  #recording;

  constructor() {
    const dialog = the("player-dialog");
    // A video that nobody sees is no longer read.
    dialog.onclose = () => {
      the("player").removeAttribute("src");
      the("player").load();
    };
    the("player").onerror = ({ target }) => {
      if (!target.getAttribute("src")) return;
      dialog.close();
      notice("This browser cannot play it: download it instead.");
    };
    the("player-close").onclick = () => dialog.close();
  }

  /** Looks again when what is being recorded changes; `recording` says what that is. */
  follow(recording) {
    if (this.#recording === recording) return;
    this.#recording = recording;
    this.refresh();
  }

  async refresh() {
    await this.#change(() => askJson("GET", "recordings"));
  }

  #show(list) {
    the("recordings-none").hidden = list.length > 0;
    showList(the("recordings"), list, (recording) => this.#row(recording));
  }

  #row({ file, bytes, length_s, finished_unix_s }) {
    const row = element("li");
    const facts = [length_s === null ? "does not play" : clock(length_s), size(bytes), date.format(finished_unix_s * 1000)];
    const button = (text, onclick) =>
      element("button", { type: "button", title: `${text} ${file}`, ariaLabel: `${text} ${file}`, onclick }, text);
    const play = button("Play", () => {
      the("player-title").textContent = file;
      the("player").src = address(path(file));
      the("player-dialog").showModal();
    });
    play.disabled = length_s === null;
    const save = element("a", { className: "button", href: address(path(file)), download: file, ariaLabel: `Download ${file}` }, "Download");
    const more = element("details");
    const summary = element("summary", { title: `Change ${file}` }, "⋯");
    summary.setAttribute("aria-label", summary.title);
    const input = element("input", { value: file, maxLength: 200, required: true, ariaLabel: `New name of ${file}` });
    const rename = element("form", {
      onsubmit: (event) => {
        event.preventDefault();
        this.#change(async () => {
          await askJson("PATCH", path(file), { file: input.value.trim() });
          return askJson("GET", "recordings");
        });
      },
    });
    rename.append(input, element("button", {}, "Rename"));
    const remove = button("Delete", () => {
      // What is gone is gone: it takes a second press.
      if (remove.dataset.sure) return this.#change(() => askJson("DELETE", path(file)));
      remove.dataset.sure = "yes";
      remove.textContent = "Really delete it?";
    });
    more.append(summary, rename, remove);
    const tools = element("div", { className: "row" });
    tools.append(play, save);
    row.append(element("b", {}, file), element("small", {}, facts.join(", ")), tools, more);
    return row;
  }

  /** Does something that answers with the list as it is then. */
  async #change(action) {
    try {
      this.#show(await action());
    } catch (problem) {
      notice(problem.message);
    }
  }
}
