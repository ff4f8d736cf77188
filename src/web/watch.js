// The live picture over WebRTC: a connection as long as one is wanted, given up where no picture comes.

import { ask } from "./api.js";

/** The addresses of this machine are known at once; no others are looked for. */
const GATHER_MS = 500;

/** Without a picture for so long after the answer, or the last one, it does not work. */
const PICTURE_PATIENCE_MS = 5_000;

const LOOK_MS = 500;

/** Shows a stream in a video element; `changed()` is called when a picture comes, or does no longer. */
export class Watch {
  #video;
  #changed;
  #path = "";
  #connection = null;
  #failed = "";

  constructor(video, changed) {
    this.#video = video;
    this.#changed = changed;
    addEventListener("pagehide", () => this.play(""));
  }

  /** A picture comes. */
  get isPlaying() {
    return Boolean(this.#connection?.isPlaying);
  }

  /** Whether that path is worth a try. */
  canPlay(path) {
    return "RTCPeerConnection" in window && path !== this.#failed;
  }

  /** What did not work is tried again. */
  again() {
    this.#failed = "";
  }

  /** Watches the stream that takes offers at that path; "" for none. */
  play(path) {
    if (path === this.#path) return;
    this.#connection?.close();
    this.#path = path;
    this.#connection = path ? new Connection(path, this.#video, (works) => this.#told(works)) : null;
    if (!path) this.#changed();
  }

  #told(works) {
    if (!works) {
      // What has worked is tried again at once.
      if (!this.isPlaying) this.#failed = this.#path;
      this.#connection.close();
      this.#connection = null;
      this.#path = "";
    }
    this.#changed();
  }
}

/** One try: `tell(true)` when the first picture is there, `tell(false)` once when it has failed. */
class Connection {
  isPlaying = false;
  #peer = new RTCPeerConnection();
  #video;
  #tell;
  #place = "";
  #isClosed = false;
  #timer;

  constructor(path, video, tell) {
    this.#video = video;
    this.#tell = tell;
    const media = new MediaStream();
    video.srcObject = media;
    this.#peer.ontrack = ({ track, receiver }) => {
      receiver.jitterBufferTarget = 0;
      media.addTrack(track);
    };
    this.#peer.onconnectionstatechange = () => this.#peer.connectionState === "failed" && this.#fail();
    this.#connect(path).then(() => this.#watchPictures(), () => this.#fail());
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#peer.close();
    this.#video.srcObject = null;
    this.#leave();
  }

  async #connect(path) {
    const peer = this.#peer;
    for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
    await peer.setLocalDescription();
    await gathered(peer);
    const answer = await ask("POST", path, new Blob([peer.localDescription.sdp], { type: "application/sdp" }));
    this.#place = `${path}/${answer.headers.get("Location").split("/").pop()}`;
    if (this.#isClosed) return this.#leave();
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  }

  /** Frees the place at the daemon; one that is gone already is no news. */
  #leave() {
    if (this.#place) ask("DELETE", this.#place).catch(() => {});
    this.#place = "";
  }

  #watchPictures() {
    if (this.#isClosed) return;
    const shown = () => this.#video.getVideoPlaybackQuality().totalVideoFrames;
    let [before, since] = [shown(), performance.now()];
    this.#timer = setInterval(() => {
      const now = shown();
      if (now !== before) {
        [before, since] = [now, performance.now()];
        if (!this.isPlaying && this.#video.videoWidth) {
          this.isPlaying = true;
          this.#tell(true);
        }
      } else if (performance.now() - since > PICTURE_PATIENCE_MS) {
        this.#fail();
      }
    }, LOOK_MS);
  }

  #fail() {
    if (!this.#isClosed) this.#tell(false);
  }
}

/** Waits until the offer has all addresses, or has waited long enough. */
function gathered(peer) {
  return new Promise((done) => {
    setTimeout(done, GATHER_MS);
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
  });
}
