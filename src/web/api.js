// Talks to the daemon: requests whose errors are words, and the event stream that always comes back.

const ROOT = "api/v1";

/** A request is given up after this; a network may take seconds to load, and a recording to be finished. */
const PATIENCE_MS = 60_000;

/** Something comes every three seconds: after this silence the daemon is gone, though nobody closed the connection. */
const SILENCE_MS = 8_000;

const RETRY_MS = 1_000;

/** A refusal in the daemon's words, or the news that it does not answer (status 0). */
export class Problem extends Error {
  constructor(status, detail, code) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** The address of something below `/api/v1`. */
export const address = (path) => `${ROOT}/${path}`;

/** Sends a request; `body` is a file, or a value that is sent as JSON. Throws a Problem. */
export async function ask(method, path, body, headers = {}) {
  const isFile = body instanceof Blob;
  if (body !== undefined && !isFile) headers = { ...headers, "Content-Type": "application/json" };
  let response;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    // What is closed must be closed even if the page goes.
    const keepalive = method === "DELETE";
    response = await fetch(address(path), { method, headers, signal, keepalive, body: isFile ? body : JSON.stringify(body) });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Problem(0, late ? "The daemon took too long to answer." : "The daemon does not answer.");
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Problem(response.status, problem.detail ?? `The daemon answered ${response.status}.`, problem.code);
  }
  return response;
}

export const askJson = async (...request) => (await ask(...request)).json();

/**
 * Follows the states of all streams while the page is seen, and connects again whenever the daemon was gone.
 * `on.streams(map)` gets all of it after each event, `on.config(state)` what is
 * known of the config file, `on.presets(list)` the presets, `on.cameras()` and `on.styles()` are called when some came or went; `on.link(status)` gets "live", "lost" or "locked" (it asks for
 * the token: call the returned function when it was shown).
 */
export function follow(on) {
  const streams = new Map();
  let source, timer;

  const events = {
    state({ streams: all, config, presets, midi }) {
      streams.clear();
      for (const stream of all) streams.set(stream.name, stream);
      on.config(config);
      on.presets(presets);
      on.midi(midi);
    },
    change({ stream, changed }) {
      streams.set(stream, { ...streams.get(stream), ...changed });
    },
    cameras: () => on.cameras(),
    styles: () => on.styles(),
    alive() {},
  };

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  const lost = async () => {
    close();
    on.link("lost");
    timer = setTimeout(open, RETRY_MS);
    // An event stream does not tell why it was refused.
    const locked = await ask("GET", "streams").then(() => false, (problem) => problem.status === 401);
    if (locked) {
      close();
      on.link("locked");
    }
  };
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(lost, SILENCE_MS);
  };
  function open() {
    close();
    if (document.hidden) return;
    source = new EventSource(address("events"));
    source.onerror = lost;
    for (const [kind, apply] of Object.entries(events)) {
      source.addEventListener(kind, (event) => {
        listen();
        apply(JSON.parse(event.data));
        if (kind === "state") on.link("live");
        on.streams(streams);
      });
    }
    listen();
  }
  // Browsers open few connections to one server: a page that nobody sees leaves them to others.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
  return open;
}

/**
 * Sends changes one after the other: those that come meanwhile are put together, the latest of each part wins, so that
 * a dragged slider never floods the daemon. `send(patch)` returns a promise; `settled(problem?)` is called after each.
 */
export class Changes {
  #send;
  #settled;
  #waiting = null;
  #sent = null;

  constructor(send, settled) {
    this.#send = send;
    this.#settled = settled;
  }

  /** What is wished, but not confirmed yet. */
  get open() {
    return { ...this.#sent, ...this.#waiting };
  }

  push(patch) {
    this.#waiting = { ...this.#waiting, ...patch };
    if (!this.#sent) this.#run();
  }

  async #run() {
    while (this.#waiting) {
      this.#sent = this.#waiting;
      this.#waiting = null;
      const problem = await this.#send(this.#sent).then(() => undefined, (problem) => problem);
      this.#sent = null;
      this.#settled(problem);
    }
  }
}
