// The sources to choose from: cameras, what is built in, files of the media folders, and what was set lately.

import { askJson } from "./api.js";
import { element, notice, showList, the } from "./dom.js";

const RECENT = "recent-sources";
const MOST_RECENT = 6;
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

export class Sources {
  #groups = [];

  /** `set(source)` goes over to a source, and promises whether that worked. */
  constructor(set) {
    const choose = async (source) => {
      if (!(await set(source))) return false;
      const isKept = !mayBeSecret(source) && !this.#groups.some(([, options]) => options.some(([known]) => known === source));
      if (isKept) localStorage.setItem(RECENT, JSON.stringify([source, ...recent().filter((other) => other !== source)].slice(0, MOST_RECENT)));
      this.#show();
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
