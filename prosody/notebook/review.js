// The panel of a review. It shows what the kernel tells and passes on what is asked for; it keeps only which word is
// chosen, what is played, and the sounds of the segments around. What is shown is text, never markup.

const KEYS = [
  ["← →", "word before, next word"], ["Home End", "first, last word"], ["1–7", "set a marker or take it out"],
  ["0", "take all of the word's markers out"], ["Space", "play, pause"], ["P", "play from the word"],
  ["L", "loop the word"], ["S", "slow, 0.7×"], ["Enter", "accept and go on"], ["X", "reject and go on"],
  ["N B", "next, back"], ["U", "undo"], ["Shift U", "redo"], ["H", "take over all that is heard clearly"],
  ["E", "correct the word"], ["C", "cut: a new segment from this word on"], ["M", "merge with the next segment"],
  [", .", "start of the word 10 ms earlier, later"], ["; '", "end of the word 10 ms earlier, later"],
  ["+ −", "zoom"], ["Esc", "leave a field, close this"], ["?", "show the keys"],
];
const GOES = new Set(["accept", "reject", "next", "back", "undo", "redo", "split", "merge", "go", "filter"]);
const SOUNDS_KEPT = 4, NUDGE_S = 0.01, AROUND_S = 0.05, MOST_PLACES = 6, PATIENCE_MS = 4000;
const OF_ANY = new Set(["filter", "rank", "least", "relocate", "finish"]); // not of the segment that is shown
const LONG = new Set(["finish", "relocate"]); // what may take longer than one waits for an answer

class Panel {
  constructor(model, el) {
    [this.model, this.el, this.word, this.asked, this.answered] = [model, el, 0, 0, 0];
    [this.sounds, this.typed, this.later, this.view] = [new Map(), [], [], null];
    this.page = `pr-${Math.random().toString(36).slice(2)}`; // the same review may be shown on several
    this.axis = new Axis({
      choose: (k) => { this.choose(k); this.axis.lanes.focus(); },
      seek: () => this.axis.lanes.focus(),
      moved: (word, edge, time) => this.ask("move", { word, edge, time }),
      playing: (word) => { this.root.dataset.now = word ?? ""; },
    });
    this.axis.name = this.page;
    this.#build();
    this.heard = (message, buffers) => this.#told(message, buffers);
    this.gone = () => this.#asleep("The kernel behind this panel has stopped. Run this cell after those above it (Run ▸ Run All Cells): the review goes on where you were.");
    model.on("msg:custom", this.heard);
    model.on("comm_live_update", this.gone);
    this.ask("look");
  }

  destroy() {
    this.model.off("msg:custom", this.heard);
    this.model.off("comm_live_update", this.gone);
    clearTimeout(this.patience);
    this.axis.destroy();
    for (const { url } of this.sounds.values()) URL.revokeObjectURL(url);
  }

  // asking and being told

  ask(what, how = {}) {
    if (this.stopped) return;
    if (this.waits && what !== "look") { // what is seen is about to be another segment
      if (OF_ANY.has(what)) this.later.push([what, how]);
      return;
    }
    this.asked += 1;
    this.since = performance.now();
    if (GOES.has(what)) this.waits = true;
    clearTimeout(this.patience);
    if (!LONG.has(what)) this.patience = setTimeout(() => {
      if (this.answered < this.asked) this.#say("The kernel does not answer: it is busy, or it was stopped. If so, run this cell.", true);
    }, PATIENCE_MS);
    const agreement = this.agreement.open && (what === "look" || GOES.has(what));
    const segment = this.view?.segment.id ?? null;
    try {
      this.model.send({ page: this.page, n: this.asked, what, how, segment, agreement, has: [...this.sounds.keys()] });
    } catch {
      this.gone();
    }
  }

  #told(message, buffers) {
    if (message.sound) this.#keep(message.sound, buffers);
    if (message.kind === "progress") this.#say(`Writing the reviewed dataset… ${Math.round(100 * message.share)} %`);
    if (message.kind !== "view") return;
    const isMine = message.page === this.page;
    if (isMine) this.answered = Math.max(this.answered, message.n);
    if (isMine && message.n < this.asked && this.view) return this.#toldLate(message);
    const other = this.view?.segment.id !== message.segment.id || this.view?.segment.split !== message.segment.split;
    if (other) this.editing?.();
    this.view = message;
    if (message.sound_key && !this.sounds.has(message.sound_key)) return this.ask("look");
    this.#show(other);
    this.root.dataset.waited = Math.round(performance.now() - this.since);
    this.waits = false;
    for (const [what, how] of this.later.splice(0)) this.ask(what, how);
    const typed = this.typed.splice(0);
    for (const event of typed) {
      if (this.editing) break; // the rest was meant as text
      if (this.waits) this.typed.push(event);
      else this.#act(event)?.();
    }
  }

  /** An answer while a later request is under way: what it shows is old, what it says is not. */
  #toldLate(message) {
    if (message.said) this.#say(message.said, message.wrong);
    if (message.agreement) this.#showAgreement(message.agreement);
  }

  #keep({ key, f0 }, [wav]) {
    if (this.sounds.has(key)) return;
    const data = wav.buffer ? wav.buffer.slice(wav.byteOffset, wav.byteOffset + wav.byteLength) : wav;
    const samples = samplesOf(data), rate = new DataView(data).getUint32(24, true);
    const peaks = peaksOf(samples, Math.max(2, Math.min(20000, Math.round((samples.length / rate) * PEAKS_A_S))));
    const url = URL.createObjectURL(new Blob([data], { type: "audio/wav" }));
    this.sounds.set(key, { key, url, peaks, f0 });
    for (const [old, sound] of this.sounds) {
      if (this.sounds.size <= SOUNDS_KEPT) break;
      if (old === this.view?.sound_key || old === key || old === this.axis.key) continue;
      URL.revokeObjectURL(sound.url);
      this.sounds.delete(old);
    }
  }

  #asleep(told) {
    this.stopped = true;
    this.axis.stop();
    clearTimeout(this.patience);
    this.sleep.textContent = told;
    this.sleep.hidden = false;
    this.root.classList.add("pr-asleep");
    this.body.setAttribute("inert", "");
  }

  #say(line, wrong = false) {
    this.said.textContent = line;
    this.said.classList.toggle("pr-wrong", wrong);
  }

  // the panel

  #build() {
    const button = (name, key, told, act, more = {}) => {
      const node = make("button", {
        type: "button", className: "pr-button", title: `${told} (${key})`, "aria-keyshortcuts": key, ...more,
        on: { click: () => { act(); this.axis.lanes.focus(); } },
      }, make("span", { text: name }), make("kbd", { text: key, "aria-hidden": "true" }));
      return node;
    };
    const simply = (what) => () => this.ask(what);
    this.buttons = {
      play: button("Play", "Space", "play or pause the segment", () => this.#play()),
      from: button("From word", "P", "play from the chosen word on", () => this.#from()),
      loop: button("Loop word", "L", "play the chosen word again and again", () => this.#loop(), { "aria-pressed": "false" }),
      slow: button("0.7×", "S", "slower, at the same pitch", () => this.#slow(), { "aria-pressed": "false" }),
      undo: button("Undo", "U", "take back the last change", simply("undo")),
      redo: button("Redo", "⇧U", "do again what was undone", simply("redo")),
      hear: button("Take over heard", "H", "take over all markers whose evidence reaches the limit", simply("hear")),
      edit: button("Correct word", "E", "another text for the chosen word", () => this.#edit()),
      split: button("Cut here", "C", "split the segment before the chosen word", () => this.ask("split", { word: this.word })),
      merge: button("Merge", "M", "join the next segment to this one", simply("merge")),
      back: button("Back", "B", "the segment before in the queue", simply("back")),
      next: button("Next", "N", "the next segment, this one left as it is", simply("next")),
      reject: button("Reject", "X", "leave this segment out of the dataset, and go on", simply("reject")),
      accept: button("Accept", "⏎", "this segment is right as it is now; go on", simply("accept")),
    };
    this.buttons.accept.classList.add("pr-main");
    this.title = make("div", { className: "pr-title", role: "heading", "aria-level": "3" });
    this.status = make("span", { className: "pr-status" });
    this.doubts = make("div", { className: "pr-doubts" });
    this.bar = make("progress", { className: "pr-bar", max: "1", value: "0", "aria-label": "reviewed" });
    this.done = make("span", { className: "pr-done" });
    this.said = make("div", { className: "pr-said", role: "status", "aria-live": "polite" });
    this.trouble = make("div", { className: "pr-trouble", hidden: true });
    this.evidence = make("div", { className: "pr-evidence", role: "group", "aria-label": "Markers of the chosen word" });
    this.heading = make("div", { className: "pr-word-title" });
    this.sleep = make("div", { className: "pr-sleep", role: "alert", hidden: true });
    this.help = make("div", { className: "pr-help", hidden: true, role: "region", "aria-label": "Keys" },
      make("dl", {}, ...KEYS.map(([key, told]) => make("div", {}, make("dt", {}, make("kbd", { text: key })), make("dd", { text: told })))));
    this.keys = make("button", { type: "button", className: "pr-button", title: "show the keys (?)", "aria-expanded": "false",
      on: { click: () => { this.#help(); this.axis.lanes.focus(); } } }, make("span", { text: "Keys" }), make("kbd", { text: "?", "aria-hidden": "true" }));
    const order = ["play", "from", "loop", "slow", "undo", "redo", "hear", "edit", "split", "merge"];
    this.body = make("div", { className: "pr-body" },
      make("div", { className: "pr-head" }, this.title, this.status, make("span", { className: "pr-space" }), this.bar, this.done),
      make("div", { className: "pr-head" }, this.buttons.back, this.buttons.next, this.#filters(), make("span", { className: "pr-space" }),
        this.buttons.reject, this.buttons.accept),
      this.said, this.doubts, this.trouble, this.axis.node,
      make("div", { className: "pr-legend", text: "above a word: written · below: heard · underlined: in doubt" }),
      make("div", { className: "pr-buttons" }, ...order.map((name) => this.buttons[name]), this.keys),
      this.help, make("div", { className: "pr-chosen" }, this.heading, this.evidence),
      this.#end());
    this.root = make("section", { className: "prosody-review", "aria-label": "Marker review" }, this.sleep, this.body);
    // JupyterLab reads keys outside of text fields as orders (d, d deletes the cell) unless the focused element says this
    this.root.addEventListener("keydown", (event) => {
      event.target.toggleAttribute?.("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
    }, true);
    this.root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", ""));
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.el.append(this.root);
    for (const one of this.el.closest(".jp-OutputArea, .output_wrapper, .output")?.querySelectorAll(".prosody-asleep") ?? []) one.hidden = true;
  }

  #filters() {
    const chosen = (name, read) => (event) => this.ask("filter", { [name]: read(event.target) });
    this.filters = {
      marker: make("select", { on: { change: chosen("marker", (node) => node.value) } }),
      status: make("select", { on: { change: chosen("status", (node) => node.value) } },
        ...["", "unreviewed", "reviewed", "rejected"].map((value) => make("option", { value, text: value || "any" }))),
      word: make("input", { type: "search", placeholder: "a word", size: "10", on: { change: chosen("word", (node) => node.value) } }),
      disagreement: make("input", { type: "checkbox", on: { change: chosen("disagreement", (node) => node.checked) } }),
      least: make("input", { type: "number", min: "0.05", max: "1", step: "0.05", on: { change: (event) => this.ask("least", { least: Number(event.target.value) }) } }),
    };
    const labelled = (told, node) => make("label", {}, make("span", { text: told }), node);
    const anew = make("button", { type: "button", className: "pr-button", title: "rank the queue anew, most doubtful first",
      on: { click: () => this.ask("rank") } }, make("span", { text: "Rank anew" }));
    this.filters.word.addEventListener("keydown", (event) => { if (event.key === "Enter") this.ask("filter", { word: event.target.value }); });
    const row = make("div", { className: "pr-filters", role: "group", "aria-label": "Which segments" },
      labelled("marker", this.filters.marker), labelled("with the word", this.filters.word), labelled("status", this.filters.status),
      labelled("text and audio disagree", this.filters.disagreement), anew, labelled("H takes over from evidence", this.filters.least));
    return make("details", { className: "pr-which" }, make("summary", { text: "Filter the queue" }), row);
  }

  #end() {
    this.agreement = make("details", { className: "pr-agreement", on: { toggle: () => { if (this.agreement.open) this.ask("look"); } } },
      make("summary", { text: "Agreement (Cohen's kappa)" }), make("div"));
    this.finish = make("button", { type: "button", className: "pr-button", title: "write the reviewed dataset",
      on: { click: () => { this.#say("Writing the reviewed dataset…"); this.ask("finish"); } } }, make("span", { text: "Finish: write the reviewed dataset" }));
    this.counts = make("span", { className: "pr-counts" });
    return make("div", { className: "pr-end" }, this.agreement, make("div", { className: "pr-buttons" }, this.finish, this.counts));
  }

  // showing

  #show(other) {
    const view = this.view, { segment } = view;
    this.markers = Object.fromEntries(view.markers.map((marker) => [marker.token, marker]));
    this.title.replaceChildren(`Segment ${segment.number} of ${view.total} · `, make("bdi", { text: segment.file }),
      ` · ${segment.duration.toFixed(1)} s at ${clock(segment.start)}`);
    this.status.textContent = segment.status + (segment.by ? ` by ${segment.by}` : "");
    this.status.dataset.status = segment.status;
    this.bar.value = view.done / Math.max(1, view.total);
    this.done.textContent = view.progress;
    this.counts.textContent = view.counts + (view.written ? `; written: ${view.written}` : "");
    const [n, some] = [view.places.length, view.places.slice(0, MOST_PLACES)];
    this.doubts.replaceChildren(make("span", { text: n ? "In doubt:" : "Nothing in doubt here." }), ...some.map((place) => make("button", { type: "button", className: "pr-place", on: { click: () => { this.choose(place.word); this.axis.lanes.focus(); } } },
        make("span", { text: place.told }))), n > MOST_PLACES && make("span", { text: `and ${n - MOST_PLACES} more, underlined below` }) || "");
    this.#showTrouble(view.trouble);
    const sound = view.sound_key ? this.sounds.get(view.sound_key) ?? null : null;
    this.word = other || this.waits ? view.word : Math.min(this.word, view.words.length - 1);
    [this.axis.at, this.axis.locked] = [this.word, Boolean(view.read_only)];
    this.axis.show({ words: view.words, markers: this.markers, duration: segment.duration, sound, places: view.places });
    if (other) this.#looping(false);
    this.choose(this.word);
    this.#showFilters();
    this.#showAgreement(view.agreement);
    for (const [name, can] of Object.entries({ undo: view.can_undo, redo: view.can_redo })) this.buttons[name].disabled = !can || Boolean(view.read_only);
    for (const name of ["hear", "edit", "split", "merge", "accept", "reject"]) this.buttons[name].disabled = Boolean(view.read_only);
    this.finish.disabled = !view.can_finish;
    this.root.classList.toggle("pr-read-only", Boolean(view.read_only));
    const held = view.read_only ? `Only to look at: ${view.read_only}.` : "";
    this.#say(view.said || held, view.wrong || (!view.said && Boolean(held)));
    this.root.dataset.segment = segment.id;
    this.root.dataset.answered = view.n;
  }

  #showTrouble(told) {
    this.trouble.hidden = !told;
    if (!told) return this.trouble.replaceChildren();
    if (this.trouble.dataset.told === told && this.trouble.childElementCount) return;
    this.trouble.dataset.told = told;
    const field = make("input", { type: "text", size: "40", placeholder: "the folder where the audio lies now", "aria-label": "the folder where the audio lies now" });
    const look = () => this.ask("relocate", { folder: field.value });
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") look(); });
    this.trouble.replaceChildren(make("span", { text: `No sound: ${told}` }), field,
      make("button", { type: "button", className: "pr-button", on: { click: look } }, make("span", { text: "Look there" })));
  }

  #showFilters() {
    const { filter, markers, least } = this.view, { marker } = this.filters;
    if (!marker.childElementCount) {
      marker.append(make("option", { value: "", text: "any" }), ...markers.map((one) => make("option", { value: one.token, text: one.name })));
    }
    for (const name of ["marker", "status", "word"]) if (document.activeElement !== this.filters[name]) this.filters[name].value = filter[name];
    this.filters.disagreement.checked = filter.disagreement;
    this.filters.least.value = least;
  }

  #showAgreement(found) {
    if (!found) return;
    const cell = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));
    const head = make("tr", {}, make("th", { text: "marker", scope: "col" }), ...found.pairs.map((text) => make("th", { text, scope: "col" })));
    const rows = found.rows.map(([token, ...values]) => make("tr", {}, make("th", { scope: "row" }, glyph(this.markers[token]), ` ${this.markers[token].name}`),
      ...values.map((value) => make("td", { text: cell(value) }))));
    const told = `1: always the same, 0: as chance would have it, –: nothing to compare. You: the ${found.n} segments accepted so far.`;
    this.agreement.lastChild.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)), make("p", { text: told }));
  }

  choose(k) {
    const n = this.view?.words.length ?? 0;
    this.word = Math.max(0, Math.min(k, n - 1));
    this.axis.choose(this.word);
    if (this.axis.loop) this.#looping(true);
    const word = this.view?.words[this.word];
    if (!word) return this.evidence.replaceChildren();
    const sure = word.confidence === null ? "" : ` · confidence of the alignment ${word.confidence.toFixed(2)}`;
    const stale = word.stale ? " · measured before it was moved or corrected; Finish measures it again" : "";
    if (!this.editing) this.heading.replaceChildren(make("bdi", { className: "pr-big", text: word.text, dir: "auto" }),
      make("span", { text: ` ${word.start.toFixed(2)}–${word.end.toFixed(2)} s${sure}${stale}` }));
    this.evidence.replaceChildren(...this.view.markers.map((marker, number) => this.#row(marker, number, word)));
  }

  #row(marker, number, word) {
    const [value, behind] = word.evidence[marker.token] ?? [null, ""];
    const isWritten = word.markers.includes(marker.token), isHeard = word.heard.includes(marker.token);
    const signs = [isWritten ? "written" : "", isHeard ? "heard" : ""].filter(Boolean).join(", ");
    const side = value === null ? "not measured" : `${value.toFixed(2)} ${value >= 0.5 ? "for" : "against"}${behind ? `: ${behind}` : ""}`;
    return make("button", {
      type: "button", className: `pr-row${isWritten ? " pr-written" : ""}`, "aria-pressed": isWritten ? "true" : "false", tabindex: "-1",
      title: marker.meaning, disabled: Boolean(this.view.read_only), on: { click: () => { this.#mark(number + 1); this.axis.lanes.focus(); } },
    }, make("kbd", { text: String(number + 1) }), glyph(marker), make("span", { className: "pr-name", text: marker.name }),
    make("span", { className: "pr-meter", "aria-hidden": "true" }, make("span", { style: { width: `${100 * (value ?? 0)}%`, background: marker.color } })),
    make("span", { className: "pr-behind", text: side }), make("span", { className: "pr-signs", text: signs }));
  }

  // acting

  #mark(number) {
    this.ask(number ? "marker" : "clear", number ? { word: this.word, number } : { word: this.word });
  }

  #play() {
    if (this.axis.isPlaying) this.axis.stop();
    else this.axis.play();
  }

  #from() {
    this.axis.play((this.view.words[this.word]?.start ?? 0) - AROUND_S);
  }

  #loop() {
    this.#looping(!this.axis.loop);
    if (this.axis.loop) this.axis.play(this.axis.loop[0]);
    else this.axis.stop();
  }

  #looping(on) {
    const word = this.view?.words[this.word];
    const end = Math.min(word?.end + AROUND_S, this.view?.segment.duration - 0.03);
    this.axis.loop = on && word ? [Math.max(0, word.start - AROUND_S), end] : null;
    this.buttons.loop.setAttribute("aria-pressed", this.axis.loop ? "true" : "false");
  }

  #slow() {
    const slow = this.axis.rate !== 0.7;
    this.axis.slow(slow ? 0.7 : 1);
    this.buttons.slow.setAttribute("aria-pressed", slow ? "true" : "false");
  }

  #help(open = this.help.hidden) {
    this.help.hidden = !open;
    this.keys.setAttribute("aria-expanded", open ? "true" : "false");
  }

  #edit() {
    const word = this.view.words[this.word];
    if (!word || this.view.read_only) return;
    const at = this.word, field = make("input", { type: "text", className: "pr-big", "aria-label": "the word, corrected", dir: "auto" });
    field.value = word.text;
    let left = false;
    const leave = (keep) => {
      if (left) return;
      [left, this.editing] = [true, null];
      if (keep && field.value.trim() !== word.text) this.ask("retext", { word: at, text: field.value });
      this.choose(this.word);
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        leave(event.key === "Enter");
        this.axis.lanes.focus();
      }
    });
    field.addEventListener("blur", () => { if (document.hasFocus()) leave(false); }); // not where another window is looked at
    this.editing = () => leave(false);
    this.heading.replaceChildren(field);
    field.focus();
    field.select();
  }

  #nudge(edge, by) {
    const word = this.view.words[this.word];
    if (!word) return;
    word[edge] += by; // the next press counts from here, whether or not this one is answered yet
    this.ask("move", { word: this.word, edge, time: word[edge] });
  }

  #zoom(by) {
    this.axis.zoom = Math.max(1, Math.min(16, this.axis.zoom * by));
    this.axis.layout();
  }

  #key(event) {
    if (this.stopped || !this.view || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, select, textarea, summary");
    if (field) {
      if (event.key === "Escape") this.axis.lanes.focus();
      return;
    }
    if (event.repeat && ["Enter", "x", "X"].includes(event.key)) return event.preventDefault();
    if (event.target.closest("button") && (event.key === " " || event.key === "Enter")) return;
    const act = this.#act(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.waits) this.typed.push({ key: event.key, shiftKey: event.shiftKey }); // until the next segment is there
    else act();
  }

  #act(event) {
    const { key } = event, name = key.length === 1 ? key.toLowerCase() : key;
    if (/^[0-7]$/.test(key)) return () => this.#mark(Number(key));
    const ask = (what) => () => this.ask(what);
    return {
      ArrowRight: () => this.choose(this.word + 1), ArrowLeft: () => this.choose(this.word - 1),
      Home: () => this.choose(0), End: () => this.choose(this.view.words.length - 1),
      " ": () => this.#play(), p: () => this.#from(), l: () => this.#loop(), s: () => this.#slow(),
      Enter: ask("accept"), x: ask("reject"), n: ask("next"), b: ask("back"), u: ask(event.shiftKey ? "redo" : "undo"),
      h: ask("hear"), e: () => this.#edit(), c: () => this.ask("split", { word: this.word }), m: ask("merge"),
      ",": () => this.#nudge("start", -NUDGE_S), ".": () => this.#nudge("start", NUDGE_S),
      ";": () => this.#nudge("end", -NUDGE_S), "'": () => this.#nudge("end", NUDGE_S),
      "+": () => this.#zoom(1.5), "-": () => this.#zoom(1 / 1.5), "?": () => this.#help(), Escape: () => this.#help(false),
    }[name] ?? null;
  }
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

export default {
  render({ model, el }) {
    const panel = new Panel(model, el);
    return () => panel.destroy();
  },
};
