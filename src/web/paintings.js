// Paintings: one that is dropped among the styles, or chosen, becomes a style of the daemon and is painted with.

import { ask, askJson } from "./api.js";
import { notice, the } from "./dom.js";

/** The longest name that the daemon takes. */
const LONGEST_NAME = 60;

/** What a painting is called as a style: the name of its file, without what no name may have. */
const nameOf = (file) =>
  [...file.name.replace(/\.[^.]*$/, "")]
    .slice(0, LONGEST_NAME)
    .join("")
    .replace(/[^\p{Alphabetic}\p{N}_ -]/gu, "_")
    .trim() || "painting";

export class Paintings {
  #kept;

  /** `kept(name)` is called when a painting has become a style. */
  constructor(kept) {
    this.#kept = kept;
    the("painting").onchange = ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) this.#keep(file);
    };
    // Among the styles it is a painting, anywhere else a photograph; beside a photograph only what falls into the box is one.
    the("gallery").addEventListener("drop", (event) => {
      const [file] = event.dataTransfer?.files ?? [];
      const isPhotograph = document.body.dataset.view === "photo" && !event.target.closest("#paintings");
      if (!file || isPhotograph) return;
      event.preventDefault();
      event.stopPropagation();
      document.body.removeAttribute("data-drop");
      this.#keep(file);
    });
  }

  /** Removes a painting that was kept. */
  async remove({ name, title }) {
    try {
      await ask("DELETE", `styles/${encodeURIComponent(name)}`);
      notice(`Removed: ${title}`, "news");
    } catch (problem) {
      notice(problem.message);
    }
  }

  async #keep(file) {
    const box = the("paintings");
    box.setAttribute("aria-busy", "true");
    try {
      const { name, title } = await this.#send(file, nameOf(file));
      notice(`A new style: ${title}`, "news");
      await this.#kept(name);
    } catch (problem) {
      notice(problem.message);
    } finally {
      box.removeAttribute("aria-busy");
    }
  }

  /** Several paintings may have one name: the later ones get a number. */
  async #send(file, name) {
    for (let number = 2; ; number++) {
      try {
        return await askJson("POST", `styles?${new URLSearchParams({ name })}`, file);
      } catch (problem) {
        const isTaken = problem.status === 409 && problem.code === "exists";
        if (!isTaken || number > 99) throw problem;
        name = `${nameOf(file).slice(0, LONGEST_NAME - 3)} ${number}`;
      }
    }
  }
}
