// The sources to choose from: cameras, what is built in, files of the media folders, and what was set lately.

import { address, askJson } from "./api.js";
import { element, notice, showList, the } from "./dom.js";

const RECENT = "recent-sources";
const MOST_RECENT = 6;
const LOOK_FIRST = "look-first";
const BUILT_IN = [["showcase", "Photographs, slowly"], ["test", "Test picture"]];

/** The largest picture of a camera: "1920x1080". */
function largest({ formats }) {
  const sizes = formats.filter(({ readable }) => readable).flatMap(({ sizes }) => sizes);
  const [best] = sizes.sort((a, b) => b.width * b.height - a.width * a.height);
  return best ? `, up to ${best.width}x${best.height}` : "";
}

/** An address with a name, a query or parameters in it may hold a password or a key. */
const mayBeSecret = (source) => /[@?#;]/.test(source);

function recent() {
  try {
    const known = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return known.filter((source) => typeof source === "string" && !mayBeSecret(source));
  } catch {
    return [];
  }
}

/** Shows a source before it goes on air, in a figure of the page. */
class Look {
  #source = "";

  /** `air(source)` puts it on air, and promises whether that worked. */
  constructor(air) {
    the("source-look-close").onclick = () => this.close();
    the("source-look-air").onclick = async () => {
      const source = this.#source;
      // A camera is open once.
      the("source-look-picture").removeAttribute("src");
      if ((await air(source)) && source === this.#source) this.close();
    };
    the("source-look-picture").onerror = () => this.#tell();
  }

  open(source) {
    this.#source = source;
    the("source-look").hidden = false;
    the("source-look-name").textContent = mayBeSecret(source) ? "" : source;
    the("source-look-picture").src = this.#address();
    the("source-look-air").focus();
  }

  close() {
    the("source-look-picture").removeAttribute("src");
    the("source-look").hidden = true;
  }

  #address() {
    return address(`sources/preview?source=${encodeURIComponent(this.#source)}`);
  }

  /** An image does not say why there is none: the answer does. */
  async #tell() {
    const gone = new AbortController();
    try {
      const answer = await fetch(this.#address(), { signal: gone.signal });
      if (!answer.ok) notice((await answer.json()).detail);
    } catch {
      notice("The daemon does not answer.");
    }
    gone.abort();
    this.close();
  }
}

export class Sources {
  #groups = [];

  /** `set(source)` goes over to a source, and promises whether that worked. */
  constructor(set) {
    const air = async (source) => {
      if (!(await set(source))) return false;
      const isKept = !mayBeSecret(source) && !this.#groups.some(([, options]) => options.some(([known]) => known === source));
      if (isKept) localStorage.setItem(RECENT, JSON.stringify([source, ...recent().filter((other) => other !== source)].slice(0, MOST_RECENT)));
      this.#show();
      return true;
    };
    const look = new Look(air);
    const isFirst = the("source-look-first");
    isFirst.checked = localStorage.getItem(LOOK_FIRST) === "on";
    isFirst.onchange = () => {
      localStorage.setItem(LOOK_FIRST, isFirst.checked ? "on" : "off");
      if (!isFirst.checked) look.close();
    };
    const choose = async (source) => {
      if (!isFirst.checked) return air(source);
      look.open(source);
      return true;
    };
    the("source-pick").onchange = ({ target }) => {
      const source = target.value;
      target.value = "";
      choose(source);
    };
    the("source-form").onsubmit = async (event) => {
      event.preventDefault();
      const source = the("source-name").value.trim();
      if (source && (await choose(source))) the("source-name").value = "";
    };
  }

  /** Asks what there is now. */
  async refresh() {
    try {
      const [cameras, media] = await Promise.all([askJson("GET", "cameras"), askJson("GET", "media")]);
      const camera = (camera) => [`camera:${camera.id ?? camera.path}`, `${camera.name}${camera.loopback ? " (virtual)" : ""}${largest(camera)}`];
      this.#groups = [
        ["Cameras", cameras.map(camera)],
        ["Built in", BUILT_IN],
        ["Files", media.map(({ name, source }) => [source, name])],
      ];
      this.#show();
    } catch (problem) {
      notice(problem.message);
    }
  }

  #show() {
    const groups = [...this.#groups, ["Set lately", recent().map((source) => [source, source])]];
    const option = ([value, label]) => element("option", { value }, label);
    showList(the("source-pick"), [null, ...groups.filter(([, options]) => options.length)], (group) => {
      if (!group) return element("option", { value: "", hidden: true }, "Choose…");
      const [label, options] = group;
      const made = element("optgroup", { label });
      made.append(...options.map(option));
      return made;
    });
  }
}
