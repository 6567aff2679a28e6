// The time axis of a review: f0 above, the waveform, and the words at their times; all of it scrolls and zooms together.
// Times are seconds from the segment's start. What is shown is text, never markup.

const F0_PX = 104, WAVE_PX = 60, LANE_PX = 45, MOST_LANES = 4, LEAST_PX_A_S = 90, PEAKS_A_S = 400;
const GLYPHS = {
  "<emph>": "★", "<pause_short>": "❘", "<pause_long>": "❘❘", "<pitch_high>": "▲", "<pitch_low>": "▼",
  "<pitch_rising>": "↗", "<pitch_falling>": "↘",
};

function make(tag, { className, text, on, data, style, ...rest } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, act] of Object.entries(on ?? {})) node.addEventListener(name, act);
  Object.assign(node.dataset, data ?? {});
  Object.assign(node.style, style ?? {});
  for (const [name, value] of Object.entries(rest)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child));
  return node;
}

function glyph(marker, faint) {
  const color = faint ? {} : { background: marker.color, color: marker.ink };
  const className = faint ? "pr-glyph pr-heard" : "pr-glyph";
  const style = faint ? { borderColor: marker.color } : color;
  return make("span", { className, style, text: GLYPHS[marker.token], title: marker.token, "aria-hidden": "true" });
}

/** The samples of a WAV file of 16 bits, one channel, with a plain header of 44 bytes. */
function samplesOf(wav) {
  return new Int16Array(wav, 44, Math.floor((wav.byteLength - 44) / 2));
}

/** The largest deviation in each of some stretches, with its sign. */
function peaksOf(samples, n) {
  const peaks = new Float32Array(n), each = samples.length / n;
  for (let k = 0; k < n; k++) {
    let most = 0;
    for (let i = Math.floor(k * each); i < Math.min(samples.length, Math.ceil((k + 1) * each)); i++) {
      if (Math.abs(samples[i]) > Math.abs(most)) most = samples[i];
    }
    peaks[k] = most / 32768;
  }
  return peaks;
}

class Axis {
  /** on: { choose(word), seek(seconds), moved(word, edge, seconds), playing(word | null) } */
  constructor(on) {
    this.on = on;
    this.zoom = 1;
    this.words = [];
    this.loop = null;
    this.audio = make("audio", { className: "pr-audio", preload: "auto" });
    this.f0 = make("canvas", { className: "pr-f0", "aria-hidden": "true", height: F0_PX });
    this.scale = make("div", { className: "pr-scale", "aria-hidden": "true" });
    this.wave = make("div", { className: "pr-wave", "aria-hidden": "true" });
    this.cursor = make("div", { className: "pr-cursor", "aria-hidden": "true" });
    this.band = make("div", { className: "pr-band", "aria-hidden": "true" }, this.#edge("start"), this.#edge("end"));
    this.strip = make("div", { className: "pr-strip" });
    this.lanes = make("div", {
      className: "pr-lanes", role: "listbox", tabindex: "0", "data-lm-suppress-shortcuts": true,
      "aria-label": "Words. Arrow keys move, 1 to 7 set or take out a marker, space plays, enter accepts, question mark tells all keys.",
    }, this.strip);
    this.clip = make("div", { className: "pr-clip", "aria-hidden": "true" }, this.band, this.cursor);
    this.view = make("div", { className: "pr-view" }, this.f0, this.wave, this.lanes, this.clip);
    this.node = make("div", { className: "pr-axis" }, this.scale, this.view, this.audio);
    this.surfer = WaveSurfer.create({
      container: this.wave, media: this.audio, height: WAVE_PX, waveColor: "#6f8fae", progressColor: "#6f8fae",
      cursorWidth: 0, normalize: true, autoScroll: true, autoCenter: false, hideScrollbar: false, interact: true,
    });
    this.surfer.on("interaction", (seconds) => this.on.seek(seconds));
    this.surfer.on("scroll", () => this.place());
    this.surfer.on("error", () => {}); // one that was let go of for the next
    this.lanes.addEventListener("wheel", (event) => {
      const by = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
      if (!by) return;
      event.preventDefault();
      this.surfer.setScroll(this.surfer.getScroll() + by);
    }, { passive: false });
    for (const name of ["play", "pause", "seeked", "ended"]) this.audio.addEventListener(name, () => this.#follow());
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(this.view);
  }

  destroy() {
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    this.surfer.destroy();
    this.audio.removeAttribute("src");
  }

  /** Another segment, or the same with other words. sound: { key, url, peaks, f0 } or null where there is none. */
  show({ words, markers, duration, sound, places }) {
    Object.assign(this, { words, markers, duration, places });
    const key = sound?.key ?? `silence ${duration}`;
    if (key !== this.key) {
      this.stop();
      [this.key, this.sound, this.loop] = [key, sound, null];
      const silence = new Float32Array(2);
      this.surfer.load(sound?.url ?? "", [sound?.peaks ?? silence], duration).catch(() => {});
      this.surfer.setScroll(0);
      this.audio.playbackRate = this.rate ?? 1;
      this.audio.preservesPitch = true;
    }
    this.layout();
  }

  // playing

  get isPlaying() {
    return !this.audio.paused;
  }

  stop() {
    this.audio.pause();
  }

  play(from = null) {
    if (!this.sound) return;
    if (from !== null) this.audio.currentTime = Math.max(0, from);
    else if (this.audio.ended || this.audio.currentTime >= this.duration - 0.02) this.audio.currentTime = 0;
    this.audio.playbackRate = this.rate ?? 1;
    this.audio.play().catch(() => {});
  }

  slow(rate) {
    this.rate = rate;
    this.audio.playbackRate = rate;
    this.audio.preservesPitch = true;
  }

  #follow() {
    cancelAnimationFrame(this.frame);
    const step = () => {
      const now = this.audio.currentTime;
      if (this.loop && this.audio.ended) this.play(this.loop[0]);
      else if (this.loop && this.isPlaying && (now >= this.loop[1] || now < this.loop[0] - 0.2)) this.audio.currentTime = this.loop[0];
      const runs = this.isPlaying || (now > 0 && !this.audio.ended);
      const at = runs ? this.words.findIndex((word) => word.start <= now && now < word.end) : -1;
      this.strip.querySelectorAll(".pr-now").forEach((one) => one.classList.remove("pr-now"));
      if (at >= 0) this.strip.children[at]?.classList.add("pr-now");
      this.on.playing(at >= 0 ? at : null);
      this.#placeCursor();
      if (this.isPlaying) this.frame = requestAnimationFrame(step);
    };
    step();
  }

  // where things are

  get pxPerS() {
    const fit = this.view.clientWidth / Math.max(this.duration, 0.01);
    return Math.max(fit, LEAST_PX_A_S * this.zoom, fit * this.zoom);
  }

  layout() {
    if (!this.duration || !this.view.clientWidth) return;
    this.px = this.pxPerS;
    if (this.drawn !== this.px) this.surfer.setOptions({ minPxPerSec: this.px });
    this.drawn = this.px;
    this.#lay();
    this.place();
  }

  /** Each word in the highest lane where it has room. */
  #lay() {
    const ends = [];
    this.strip.replaceChildren(...this.words.map((word, k) => this.#word(word, k)));
    this.strip.style.width = `${this.px * this.duration}px`;
    const widths = [...this.strip.children].map((node) => node.offsetWidth);
    this.words.forEach((word, k) => {
      const left = Math.min(word.start * this.px, Math.max(0, this.px * this.duration - widths[k]));
      let lane = ends.findIndex((end) => end <= left);
      if (lane < 0) lane = ends.length < MOST_LANES ? ends.length : ends.indexOf(Math.min(...ends));
      ends[lane] = left + widths[k] + 3;
      Object.assign(this.strip.children[k].style, { left: `${left}px`, top: `${lane * LANE_PX + 8}px` });
    });
    this.lanes.style.height = `${Math.max(1, ends.length) * LANE_PX + 12}px`;
    this.choose(this.at ?? 0);
  }

  #word(word, k) {
    const of = (tokens, faint) => tokens.map((token) => glyph(this.markers[token], faint));
    const doubted = this.places.some((place) => place.word <= k && k < place.word + place.n_words);
    const told = [word.text, ...word.markers.map((token) => `written ${this.markers[token].name}`),
      ...word.heard.map((token) => `heard ${this.markers[token].name}`), doubted ? "in doubt" : ""];
    return make("div", {
      className: `pr-word${doubted ? " pr-doubt" : ""}`, role: "option", id: `${this.name}-${k}`, "aria-selected": "false",
      "aria-label": told.filter(Boolean).join(", "), data: { word: k }, on: { click: () => this.on.choose(k) },
    }, make("span", { className: "pr-marks" }, ...of(word.markers)), make("bdi", { text: word.text, dir: "auto" }),
    make("span", { className: "pr-marks" }, ...of(word.heard, true)));
  }

  choose(k) {
    this.at = Math.max(0, Math.min(k, this.words.length - 1));
    [...this.strip.children].forEach((node, n) => {
      node.classList.toggle("pr-at", n === this.at);
      node.setAttribute("aria-selected", n === this.at ? "true" : "false");
    });
    if (this.words.length) this.lanes.setAttribute("aria-activedescendant", `${this.name}-${this.at}`);
    else this.lanes.removeAttribute("aria-activedescendant");
    const word = this.words[this.at];
    if (word && !this.isPlaying) {
      const left = this.surfer.getScroll(), wide = this.view.clientWidth;
      const [from, to] = [word.start * this.px, word.end * this.px];
      if (from < left + 20 || to > left + wide - 20) this.surfer.setScroll(Math.max(0, (from + to - wide) / 2));
    }
    this.place();
  }

  get scroll() {
    return this.px * this.duration > this.view.clientWidth + 1 ? this.surfer.getScroll() : 0;
  }

  place() {
    if (!this.px) return;
    this.strip.style.transform = `translateX(${-this.scroll}px)`;
    const word = this.words[this.at];
    this.band.hidden = !word;
    if (word) {
      this.band.style.left = `${word.start * this.px - this.scroll}px`;
      this.band.style.width = `${Math.max(2, (word.end - word.start) * this.px)}px`;
    }
    this.#placeCursor();
    this.#drawF0();
  }

  #placeCursor() {
    this.cursor.style.left = `${this.audio.currentTime * this.px - this.scroll}px`;
  }

  /** f0 on a logarithmic scale, with the speaker's median dotted and one spread to either side shaded. */
  #drawF0() {
    const wide = this.view.clientWidth, dpr = window.devicePixelRatio || 1, f0 = this.sound?.f0;
    const canvas = this.f0, context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [wide * dpr, F0_PX * dpr];
    Object.assign(canvas.style, { width: `${wide}px`, height: `${F0_PX}px` });
    context.scale(dpr, dpr);
    const ink = getComputedStyle(this.node).color;
    this.#drawTime(context, wide, ink);
    if (!f0?.median) {
      this.scale.replaceChildren();
      Object.assign(context, { fillStyle: ink, font: "12px sans-serif" });
      context.fillText(this.sound ? "no f0: nothing is voiced" : "", 8, F0_PX / 2);
      return;
    }
    const [low, high] = f0.range.map(Math.log2);
    const y = (hz) => (1 - (Math.log2(hz) - low) / (high - low)) * (F0_PX - 26) + 6;
    const x = (k) => (f0.first + k * f0.step) * this.px - this.scroll;
    const spread = 2 ** (f0.spread / 12);
    context.fillStyle = "rgba(0,135,108,0.18)";
    context.fillRect(0, y(f0.median * spread), wide, y(f0.median / spread) - y(f0.median * spread));
    context.strokeStyle = ink;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(0, y(f0.median));
    context.lineTo(wide, y(f0.median));
    context.stroke();
    context.setLineDash([]);
    Object.assign(context, { strokeStyle: "#00876c", lineWidth: 2.5, lineJoin: "round" });
    const from = Math.max(0, Math.floor((this.scroll / this.px - f0.first) / f0.step) - 1);
    const to = Math.min(f0.hz.length, from + Math.ceil(wide / this.px / f0.step) + 3);
    context.beginPath();
    for (let k = from, pen = false; k < to; k++) {
      if (f0.hz[k]) context[pen ? "lineTo" : "moveTo"](x(k), y(f0.hz[k]));
      pen = Boolean(f0.hz[k]);
      if (pen && !f0.hz[k + 1] && !f0.hz[k - 1]) context.lineTo(x(k) + 1, y(f0.hz[k]));
    }
    context.stroke();
    const label = (hz, told) => make("span", { text: told, style: { top: `${y(hz) - 8}px` } });
    this.scale.replaceChildren(label(f0.range[1], `${Math.round(f0.range[1])} Hz`), label(f0.median, `${Math.round(f0.median)}`),
      label(f0.range[0], `${Math.round(f0.range[0])}`));
    this.scale.title = `f0, Hz. Dotted: the speaker's median, ${Math.round(f0.median)} Hz; shaded: one spread to either side, ${f0.spread.toFixed(1)} st.`;
  }

  /** Seconds from the segment's start, below f0. */
  #drawTime(context, wide, ink) {
    const every = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((step) => step * this.px >= 60) ?? 30;
    Object.assign(context, { fillStyle: ink, font: "11px sans-serif", textAlign: "center" });
    for (let k = Math.ceil(this.scroll / this.px / every); k * every * this.px - this.scroll < wide; k++) {
      const x = k * every * this.px - this.scroll;
      context.fillRect(x, F0_PX - 4, 1, 4);
      if (x > 14 && x < wide - 20) context.fillText(`${Number((k * every).toFixed(1))} s`, x, F0_PX - 6);
    }
    context.textAlign = "start";
  }

  // dragging an edge

  #edge(name) {
    const down = (event) => {
      if (this.locked) return;
      const word = this.words[this.at], node = event.currentTarget, box = this.view.getBoundingClientRect();
      event.preventDefault();
      node.setPointerCapture(event.pointerId);
      const other = this.words[this.at + (name === "start" ? -1 : 1)];
      const least = name === "start" ? (other ? other.start + 0.01 : 0) : word.start + 0.01;
      const most = name === "start" ? word.end - 0.01 : (other ? other.end - 0.01 : this.duration);
      const was = word[name];
      const move = (moved) => {
        const seconds = (moved.clientX - box.left + this.scroll) / this.px;
        word[name] = Math.max(least, Math.min(most, seconds));
        this.place();
      };
      const up = (ended) => {
        node.removeEventListener("pointermove", move);
        const now = word[name];
        word[name] = was;
        if (ended.type === "pointerup" && word === this.words[this.at] && Math.abs(now - was) > 0.001) this.on.moved(this.at, name, now);
        else this.place();
      };
      node.addEventListener("pointermove", move);
      const stopped = new AbortController();
      for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
        node.addEventListener(kind, (ended) => { stopped.abort(); up(ended); }, { signal: stopped.signal });
      }
    };
    return make("div", { className: `pr-edge pr-edge-${name}`, on: { pointerdown: down }, title: `drag the ${name} of the word` });
  }
}
