// The outputs of the stream: their addresses to copy or to scan, who watches, and how one is added or removed.

import { address, askJson } from "./api.js";
import { element, notice, showList, the } from "./dom.js";

const KINDS = { rtsp: "RTSP", recording: "Recording", "virtual-camera": "Virtual camera", push: "Push", webrtc: "WebRTC", display: "Monitor" };
const LOCAL = /^(127\.|localhost$|\[?::1\]?$)/;

/** The address as others reach it: "any address of this machine", and that of this server, is the one that this page was
 * opened at. */
function reachable(place) {
  if (place.startsWith("/api/")) return location.origin + place;
  return place.replace(/^(\w+:\/\/)(0\.0\.0\.0|\[::\])/, (_, scheme) => scheme + location.hostname);
}

export class Outputs {
  #on;

  /** `on.add(button, wish)` and `on.remove(button, id)` ask the daemon. */
  constructor(on) {
    this.#on = on;
    const kind = the("output-kind");
    const fields = { rtsp: the("output-address"), "virtual-camera": the("output-device"), push: the("output-url"), display: the("output-monitor") };
    kind.onchange = () => {
      for (const [name, field] of Object.entries(fields)) field.hidden = field.disabled = name !== kind.value;
      if (kind.value === "display") listMonitors(fields.display);
    };
    kind.onchange();
    the("output-form").onsubmit = (event) => {
      event.preventDefault();
      const more = {
        rtsp: { address: fields.rtsp.value.trim() },
        "virtual-camera": { device: fields["virtual-camera"].value.trim() || "auto" },
        push: { url: fields.push.value.trim() },
        display: { monitor: fields.display.value },
      };
      // It holds a key.
      fields.push.value = "";
      on.add(event.submitter ?? the("output-form").querySelector("button"), { type: kind.value, ...more[kind.value] });
    };
    the("qr-close").onclick = () => the("qr-dialog").close();
    the("page-qr").hidden = LOCAL.test(location.hostname);
    the("page-qr").onclick = () => showCode("This page", location.origin + location.pathname);
  }

  show(outputs) {
    const shown = outputs.filter(({ kind }) => kind !== "preview");
    // Counts change all the time: a button must not be made anew under the hand that presses it.
    showList(the("outputs"), shown.map(({ id, kind, place, error }) => ({ id, kind, place, error })), (output) => this.#row(output));
    shown.forEach((output, place) => {
      const text = counts(output);
      const small = the("outputs").children[place].querySelector("small");
      if (small.textContent !== text) small.textContent = text;
    });
  }

  #row({ id, kind, place, error }) {
    const row = element("li");
    row.dataset.output = id;
    const title = KINDS[kind] ?? kind;
    const where = reachable(place);
    const code = element("code", {}, where);
    const button = (text, label, onclick) => element("button", { type: "button", title: label, ariaLabel: label, onclick }, text);
    const tools = element("div", { className: "row" });
    if (kind !== "display") {
      const copy = button("Copy", `Copy the address of ${title}`, () => copyText(code, copy));
      tools.append(copy);
    }
    // What is pushed is watched elsewhere, and for browsers there is this page.
    if (kind !== "push" && kind !== "webrtc" && where.includes("://") && !LOCAL.test(new URL(where.replace(/^\w+:/, "http:")).hostname)) {
      tools.append(button("QR", `${title} as a QR code`, () => showCode(title, where)));
    }
    const remove = button("Remove", `Remove ${title} ${where}`, () => this.#on.remove(remove, id));
    tools.append(remove);
    row.append(element("b", {}, title), element("small"), code, tools);
    if (error) row.append(element("p", { className: "hint" }, error));
    return row;
  }
}

function counts({ kind, clients, dropped }) {
  const watched = { rtsp: clients === 1 ? "1 client" : `${clients} clients`, "virtual-camera": clients ? "in use" : "not in use", push: clients ? "connected" : "not connected", webrtc: clients === 1 ? "1 viewer" : `${clients} viewers`, display: clients ? "shown" : "not shown" };
  return [watched[kind], dropped && `${dropped} dropped`].filter(Boolean).join(", ");
}

/** The monitors of the daemon's machine, as they are now. */
async function listMonitors(select) {
  const monitors = await askJson("GET", "monitors").catch(() => []);
  const chosen = select.value || "primary";
  const named = monitors.map(({ name, width, height }) => new Option(`${name} (${width}×${height})`, name));
  select.replaceChildren(new Option("The primary monitor", "primary"), ...named);
  select.value = chosen;
  // It is not there any more.
  if (!select.value) select.value = "primary";
}

/** Shows an address for the camera of a phone. */
function showCode(title, text) {
  the("qr-title").textContent = title;
  the("qr").src = address(`qr?${new URLSearchParams({ text })}`);
  the("qr").alt = `QR code of ${text}`;
  the("qr-text").textContent = text;
  the("qr-dialog").showModal();
}

async function copyText(shown, button) {
  try {
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  } catch {
    // Only pages of this machine or over TLS may write into the clipboard.
    getSelection().selectAllChildren(shown);
    notice("The address is selected: copy it with the keyboard.", "news");
  }
}
