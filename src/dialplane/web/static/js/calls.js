// How long calls have lasted, counted on by the server's clock: `data-now` says what that showed when the part came.
(() => {
  const words = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return seconds % 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${seconds / 60} min`;
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  };
  const came = new WeakMap(); // part -> what `data-now` was, and when it came

  function tick() {
    for (const part of document.querySelectorAll("[data-now]")) {
      if (came.get(part)?.now !== part.dataset.now) came.set(part, { now: part.dataset.now, at: performance.now() });
      const now = new Date(part.dataset.now).getTime() + performance.now() - came.get(part).at;
      for (const span of part.querySelectorAll("[data-since]")) {
        span.textContent = words(Math.max(0, Math.round((now - new Date(span.dataset.since)) / 1000)));
      }
    }
  }

  document.addEventListener("htmx:after:swap", tick);
  setInterval(tick, 1000);
  tick();
})();
