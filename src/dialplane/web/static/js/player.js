// A recording and its transcript: what is being said is marked; an utterance that is chosen is played.
(() => {
  function spoken(player, seconds) {
    let found = null;
    for (const utterance of player.querySelectorAll("[data-at]")) {
      if (Number(utterance.dataset.at) <= seconds + 0.05) found = utterance;
    }
    return found;
  }

  function follow(player, audio) {
    const now = spoken(player, audio.currentTime);
    for (const utterance of player.querySelectorAll("[aria-current]")) {
      if (utterance !== now) utterance.removeAttribute("aria-current");
    }
    if (!now || now.hasAttribute("aria-current")) return;
    now.setAttribute("aria-current", "true");
    const list = now.closest(".transcript");
    const above = now.getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (!audio.paused) list.scrollTop += above - list.clientHeight / 3; // the list alone, and not the page
  }

  const SIDES = { agent: 0, contact: 1 }; // of a recording: the agent is on the left
  const wires = new WeakMap(); // of each player whose sides somebody has told apart

  function hear(audio, who) {
    if (!wires.has(audio)) {
      const context = new AudioContext();
      wires.set(audio, { source: context.createMediaElementSource(audio), sides: context.createChannelSplitter(2) });
    }
    const { source, sides } = wires.get(audio);
    source.disconnect();
    sides.disconnect();
    if (who in SIDES) {
      source.connect(sides);
      sides.connect(source.context.destination, SIDES[who]); // in both ears
    } else {
      source.connect(source.context.destination);
    }
    source.context.resume();
  }

  // Media events do not bubble, so they are caught on their way down; parts that are swapped in need nothing.
  for (const name of ["timeupdate", "seeked"]) {
    document.addEventListener(name, (event) => {
      const player = event.target.closest?.("[data-player]");
      if (player) follow(player, event.target);
    }, true);
  }
  document.addEventListener("click", (event) => {
    const utterance = event.target.closest("[data-at]");
    const audio = utterance?.closest("[data-player]")?.querySelector("audio");
    if (!audio) return;
    audio.currentTime = Number(utterance.dataset.at);
    audio.play();
  });
  document.addEventListener("change", (event) => {
    if (event.target.name !== "channel") return;
    const audio = event.target.closest("[data-player]")?.querySelector("audio");
    if (audio) hear(audio, event.target.value);
  });
})();
