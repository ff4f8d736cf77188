// The slider over two pictures: left of it the original, right of it the painted one.

const STEP = 2;
const LEAP = 10;

/** Puts a slider over `.before` and `.after` inside `box`; it is moved with pointer and keyboard. */
export class Split {
  #box;
  #handle;
  #at = 50;

  constructor(box) {
    this.#box = box;
    this.#handle = document.createElement("div");
    this.#handle.className = "handle";
    for (const [name, value] of Object.entries({
      role: "slider", tabindex: 0, "aria-label": "How much of the original is seen", "aria-valuemin": 0, "aria-valuemax": 100,
    })) this.#handle.setAttribute(name, value);
    box.append(this.#handle);
    box.addEventListener("pointerdown", (event) => this.#grab(event));
    this.#handle.addEventListener("keydown", (event) => this.#key(event));
    this.shown = false;
    this.move(50);
  }

  /** Shows or hides the slider; without it the pictures lie whole over each other. */
  set shown(shown) {
    this.#handle.hidden = !shown;
    this.#box.classList.toggle("divided", shown);
  }

  /** 0: all painted, 100: all original. */
  move(at) {
    this.#at = Math.min(100, Math.max(0, at));
    this.#box.style.setProperty("--at", `${this.#at}%`);
    this.#handle.setAttribute("aria-valuenow", Math.round(this.#at));
    this.#handle.setAttribute("aria-valuetext", `${Math.round(this.#at)} % original`);
  }

  #grab(event) {
    if (this.#handle.hidden || event.button !== 0) return;
    const follow = ({ clientX }) => {
      const { left, width } = this.#box.getBoundingClientRect();
      this.move(((clientX - left) / width) * 100);
    };
    event.preventDefault();
    this.#handle.focus({ preventScroll: true });
    this.#box.setPointerCapture(event.pointerId);
    this.#box.addEventListener("pointermove", follow);
    const release = () => this.#box.removeEventListener("pointermove", follow);
    this.#box.addEventListener("lostpointercapture", release, { once: true });
    follow(event);
  }

  #key(event) {
    const by = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -LEAP, PageUp: LEAP, Home: -100, End: 100 };
    if (!(event.key in by)) return;
    event.preventDefault();
    this.move(this.#at + by[event.key]);
  }
}
