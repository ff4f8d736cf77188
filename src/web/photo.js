// The photo tab: a dropped photograph, painted by the daemon, before and after, to download.

import { Changes, ask } from "./api.js";
import { download, notice, the } from "./dom.js";
import { Split } from "./split.js";

export class Photo {
  #split = new Split(the("photo-split"));
  #file = null;
  #painted = null;
  /** What the daemon went away over. */
  #lost = null;
  #paintings = new Changes((look) => this.#paint(look), (problem) => this.#settled(problem));

  /** `opened()` is called when a photograph came, to be painted with `paint(look)`. */
  constructor(opened) {
    const open = (file) => {
      if (!file) return;
      this.#open(file);
      opened();
    };
    the("file").onchange = ({ target }) => {
      open(target.files[0]);
      target.value = "";
    };
    the("photo-open").onclick = () => the("file").click();
    the("photo-save").onclick = () => {
      const name = this.#file.name.replace(/\.[^.]*$/, "") || "photograph";
      download(this.#painted, `${name}-painted.${this.#painted.type === "image/jpeg" ? "jpg" : "png"}`);
    };
    // A photograph may be dropped anywhere on the page.
    const hasFile = (event) => event.dataTransfer?.types.includes("Files");
    const hover = (is) => document.body.toggleAttribute("data-drop", is);
    document.addEventListener("dragover", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      hover(true);
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? hover(false));
    document.addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      hover(false);
      open(event.dataTransfer.files[0]);
    });
  }

  /** Paints the photograph that is open, if there is one. */
  paint(look) {
    if (!this.#file) return;
    this.#lost = null;
    this.#paintings.push(look);
    the("photo-split").setAttribute("aria-busy", "true");
  }

  /** The daemon is back: paints what it went away over. */
  again() {
    if (this.#lost) this.paint(this.#lost);
  }

  #open(file) {
    this.#file = file;
    this.#painted = null;
    the("photo-save").disabled = true;
    this.#showDrop(false);
    the("photo-after").hidden = true;
    this.#split.shown = false;
    this.#split.move(100);
    const before = the("photo-before");
    show(before, file);
    before.onload = () => {
      the("photo-split").style.setProperty("--ratio", before.naturalWidth / before.naturalHeight);
    };
    // The daemon's own words follow, if it cannot read the file either.
    before.onerror = () => (before.hidden = true);
  }

  async #paint(look) {
    const file = this.#file;
    const mix = Object.entries(look.styles).map(([name, weight]) => `${name}=${weight}`).join();
    const query = new URLSearchParams({ ...look, styles: mix });
    const accept = file.type === "image/jpeg" ? "image/jpeg" : "image/png";
    const answer = await ask("POST", `paint?${query}`, file, { Accept: accept }).catch((problem) => {
      if (problem.status === 0) this.#lost = look;
      throw problem;
    });
    const painted = await answer.blob();
    if (file !== this.#file) return;
    const isFirst = !this.#painted;
    this.#painted = painted;
    show(the("photo-after"), painted);
    the("photo-save").disabled = false;
    this.#split.shown = true;
    if (isFirst) this.#split.move(50);
  }

  #settled(problem) {
    if (!Object.keys(this.#paintings.open).length) the("photo-split").removeAttribute("aria-busy");
    if (!problem) return;
    notice(problem.message);
    if (!this.#painted && problem.status !== 503 && !this.#lost) this.#close();
  }

  #close() {
    this.#file = null;
    the("photo-before").hidden = true;
    this.#showDrop(true);
  }

  #showDrop(shown) {
    the("drop").hidden = !shown;
    the("photo-tools").hidden = shown;
  }
}

function show(image, blob) {
  const old = image.src;
  image.src = URL.createObjectURL(blob);
  image.hidden = false;
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}
