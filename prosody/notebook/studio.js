// Keys, the chosen slot, and the word that is being spoken. All text comes from the kernel, escaped; what is told to it
// goes through a hidden text field, as a list of the latest messages, so that none is lost while it works.
(() => {
  const ROOT = ".STUDIO";
  const known = (window.prosodyStudios ??= new Set());
  if (known.has(ROOT)) return;
  known.add(ROOT);

  const states = new WeakMap();
  const state = (root) => {
    if (!states.has(root)) states.set(root, { slot: 0, last: 0, sent: [], plain: false, frame: 0 });
    return states.get(root);
  };
  const rootOf = (node) => (node instanceof Element ? node.closest(ROOT) : null);
  const slots = (root) => [...root.querySelectorAll(".ps-slot")];
  const words = (root) => [...root.querySelectorAll(".ps-word")];
  const span = (word, name) => (word.dataset[name] ?? "").split(" ").map(Number);

  function send(root, ...message) {
    const own = state(root);
    own.last = Math.max(own.last + 1, Date.now());
    own.sent = [...own.sent.slice(-40), [own.last, ...message]];
    const field = root.querySelector(".ps-wire input");
    field.value = JSON.stringify(own.sent);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function paint(root) {
    const own = state(root), all = slots(root);
    own.slot = Math.max(0, Math.min(own.slot, all.length - 1));
    all.forEach((slot, k) => {
      slot.classList.toggle("ps-at", k === own.slot);
      if (k === own.slot) slot.id = `${ROOT.slice(1)}-at`;
      else slot.removeAttribute("id");
    });
    const where = root.querySelector(".ps-where-told");
    const told = all[own.slot]?.dataset.told ?? "";
    if (where && where.textContent !== told) where.textContent = told;
    root.querySelector(".ps-answer")?.setAttribute("aria-activedescendant", all.length ? `${ROOT.slice(1)}-at` : "");
    highlight(root);
    place(root);
  }

  function place(root) {
    const sheet = root.querySelector(".ps-sheet"), palette = root.querySelector(".ps-palette");
    const at = root.querySelector(".ps-at"), picked = (at?.dataset.picked ?? "").split(" ");
    for (const pick of root.querySelectorAll(".ps-pick")) pick.setAttribute("aria-pressed", picked.includes(pick.dataset.pick));
    if (!sheet?.classList.contains("ps-open") || !at || !palette) return;
    const box = sheet.getBoundingClientRect(), slot = at.getBoundingClientRect();
    palette.style.left = `${Math.max(0, Math.min(slot.left - box.left, box.width - palette.offsetWidth - 8))}px`;
    palette.style.top = `${slot.bottom - box.top + 6}px`;
  }

  function open(root, yes) {
    root.querySelector(".ps-sheet").classList.toggle("ps-open", yes);
    place(root);
  }

  function choose(root, slot) {
    state(root).slot = slot;
    paint(root);
    root.querySelector(".ps-at")?.scrollIntoView({ block: "nearest" });
  }

  function line(root, step) {
    const all = slots(root), boxes = all.map((slot) => slot.getBoundingClientRect());
    const own = boxes[state(root).slot];
    if (!own) return;
    const centre = (box) => (box.left + box.right) / 2;
    const middle = (box) => (box.top + box.bottom) / 2;
    const away = boxes.map((box) => step * (middle(box) - middle(own))).map((d) => (d > own.height / 2 ? d : Infinity));
    const nearest = Math.min(...away);
    if (!isFinite(nearest)) return;
    const cost = boxes.map((box, k) => (away[k] < nearest + own.height / 2 ? Math.abs(centre(box) - centre(own)) : Infinity));
    choose(root, cost.indexOf(Math.min(...cost)));
  }

  function mark(root, number) {
    const slot = state(root).slot;
    if (slots(root).length) send(root, ...(number ? ["mark", slot, number] : ["clear", slot]));
    open(root, false);
  }

  // the sound

  const sounds = (root) => [...root.querySelectorAll(".ps-audio-marked, .ps-audio-plain")];
  const sound = (root) => {
    const own = state(root), [marked, plain] = sounds(root);
    if (own.plain && !plain) {
      own.plain = false; // another answer, whose plain render isn't there yet
      root.classList.remove("ps-plain");
    }
    return own.plain ? plain : marked;
  };
  const isLoaded = (audio) => audio?.readyState > 0 && isFinite(audio.duration) && audio.duration > 0;

  function highlight(root) {
    const own = state(root), audio = sound(root), now = audio?.currentTime ?? 0;
    const runs = isLoaded(audio) && (!audio.paused || (now > 0 && !audio.ended));
    let spoken = "";
    for (const word of words(root)) {
      const [start, end] = span(word, own.plain ? "p" : "t");
      const is = runs && start <= now && now < end;
      if (is) spoken = word.dataset.word;
      word.classList.toggle("ps-now", is);
    }
    root.dataset.now = spoken;
  }

  function follow(root) {
    cancelAnimationFrame(state(root).frame);
    const step = () => {
      highlight(root);
      if (sound(root) && !sound(root).paused) state(root).frame = requestAnimationFrame(step);
    };
    step();
  }

  function play(root) {
    const audio = sound(root);
    if (!isLoaded(audio)) send(root, "speak");
    else if (audio.paused) audio.play();
    else audio.pause();
  }

  function moved(root, seconds, from, to) {
    const knots = [[0, 0]];
    for (const word of words(root)) {
      const a = span(word, from), b = span(word, to);
      knots.push([a[0], b[0]], [a[1], b[1]]);
    }
    for (let k = 1; k < knots.length; k++) {
      const [[a0, b0], [a1, b1]] = [knots[k - 1], knots[k]];
      if (seconds < a1) return b0 + (a1 > a0 ? (seconds - a0) / (a1 - a0) : 0) * (b1 - b0);
    }
    return knots[knots.length - 1][1];
  }

  function exchange(root) {
    const own = state(root), [marked, plain] = sounds(root);
    if (!isLoaded(marked) || !isLoaded(plain)) return send(root, "speak");
    const [from, to] = own.plain ? [plain, marked] : [marked, plain];
    const runs = !from.paused, names = own.plain ? ["p", "t"] : ["t", "p"];
    from.pause();
    own.plain = !own.plain;
    root.classList.toggle("ps-plain", own.plain);
    to.currentTime = moved(root, from.currentTime, ...names);
    if (runs) to.play();
    highlight(root);
  }

  // what people do

  function key(root, event) {
    const own = state(root), name = event.key;
    if ((event.ctrlKey || event.metaKey) && name.toLowerCase() === "z") return () => send(root, "undo");
    if (event.ctrlKey || event.metaKey || event.altKey) return null;
    if (/^[0-7]$/.test(name)) return () => mark(root, Number(name));
    return {
      ArrowRight: () => choose(root, own.slot + 1),
      ArrowLeft: () => choose(root, own.slot - 1),
      ArrowDown: () => line(root, 1),
      ArrowUp: () => line(root, -1),
      Home: () => choose(root, 0),
      End: () => choose(root, slots(root).length - 1),
      Delete: () => mark(root, 0),
      Backspace: () => mark(root, 0),
      Enter: () => open(root, true),
      Escape: () => open(root, false),
      " ": () => play(root),
      a: () => exchange(root),
      z: () => send(root, "undo"),
    }[name] ?? null;
  }

  window.addEventListener("keydown", (event) => {
    const root = rootOf(event.target);
    if (!root) return;
    // JupyterLab reads keys outside of text fields as orders (d, d deletes the cell) unless the focused element says this
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
    if (!event.target.closest(".ps-answer")) return;
    const act = key(root, event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }, true);

  window.addEventListener("mousedown", (event) => {
    if (rootOf(event.target) && event.target.closest(".ps-palette")) event.preventDefault(); // the focus stays
  }, true);

  window.addEventListener("click", (event) => {
    const root = rootOf(event.target);
    if (!root) return document.querySelectorAll(`${ROOT} .ps-open`).forEach((one) => one.classList.remove("ps-open"));
    const slot = event.target.closest(".ps-slot"), pick = event.target.closest(".ps-pick");
    const word = event.target.closest(".ps-word");
    if (pick) return mark(root, Number(pick.dataset.pick));
    if (event.target.closest(".ps-ab")) return exchange(root);
    if (slot) {
      choose(root, Number(slot.dataset.slot));
      open(root, true);
    } else {
      open(root, false);
      if (word) choose(root, Number(word.dataset.word));
      if (word && isLoaded(sound(root))) sound(root).currentTime = span(word, state(root).plain ? "p" : "t")[0] + 0.005;
    }
  }, true);

  for (const name of ["play", "pause", "ended", "seeked", "timeupdate", "loadedmetadata"]) {
    document.addEventListener(name, (event) => {
      const root = rootOf(event.target);
      if (root) (name === "play" ? follow : highlight)(root);
    }, true);
  }

  // noUiSlider's handles have a role but no name: it is told to those who don't see the label beside them
  function nameHandles(root) {
    for (const slider of root.querySelectorAll(".widget-slider")) {
      const name = slider.querySelector(".widget-label")?.textContent ?? "";
      slider.querySelectorAll(".noUi-handle").forEach((handle) => handle.setAttribute("aria-label", name));
    }
  }

  // the panel, once it is there

  function dress(root) {
    if (root.dataset.dressed) return;
    root.dataset.dressed = "yes";
    const answer = root.querySelector(".ps-answer"), status = root.querySelector(".ps-status");
    const field = root.querySelector(".ps-wire input");
    answer.tabIndex = 0;
    answer.setAttribute("role", "application");
    answer.setAttribute("aria-label", "The answer. Arrow keys move between slots, 1 to 7 set a marker, 0 removes.");
    for (const live of [status, root.querySelector(".ps-where")]) live.setAttribute("aria-live", "polite");
    Object.assign(field, { tabIndex: -1 }).setAttribute("aria-hidden", "true");
    for (const wait of [0, 500, 2000]) setTimeout(() => nameHandles(root), wait); // sliders come a little later
    new MutationObserver(() => paint(root)).observe(answer, { childList: true, subtree: true });
    paint(root);
  }

  let tries = 0;
  const timer = setInterval(() => {
    const found = [...document.querySelectorAll(ROOT)].filter((root) => root.querySelector(".ps-wire input"));
    found.forEach(dress);
    if (++tries > 300 || found.length) clearInterval(timer);
  }, 100);
  window.addEventListener("focusin", (event) => {
    const root = rootOf(event.target); // a further view of the same panel
    if (root?.querySelector(".ps-wire input")) dress(root);
  });
})();
