// The chart of a campaign: calls per minute by disposition, drawn anew as calls end.
(() => {
  const REFRESH_MS = 2000;
  // Tabler's names of colours, from good to bad; others take turns.
  const COLOURS = {
    answered: "green", voicemail: "azure", no_answer: "secondary", busy: "yellow", declined: "orange", unreachable: "purple",
    canceled: "indigo", carrier_failed: "red", agent_failed: "pink",
  };
  const OTHERS = ["teal", "cyan", "lime", "blue"];
  const words = (name) => name.replaceAll("_", " ");
  const place = (name) => (name in COLOURS ? Object.keys(COLOURS).indexOf(name) : 100);
  const named = (calls) => Object.keys(calls).sort((a, b) => place(a) - place(b));
  const colour = (name, index) => COLOURS[name] || OTHERS[index % OTHERS.length];

  // A colour of the present theme as the canvas knows it: Tabler's variables are written in ways that it does not.
  function rgb(name) {
    const probe = document.body.appendChild(document.createElement("span"));
    probe.style.color = `var(--tblr-${name})`;
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
  }

  function label(start, slotSeconds) {
    const day = slotSeconds >= 86400 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
    const exact = slotSeconds < 60 ? { second: "2-digit" } : slotSeconds >= 3600 && slotSeconds < 86400 ? { weekday: "short" } : {};
    return new Intl.DateTimeFormat(undefined, { ...day, ...exact }).format(new Date(start));
  }

  function options(data) {
    const muted = rgb("secondary"), line = rgb("border-color");
    const axis = { axisLabel: { color: muted }, axisLine: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line } } };
    return {
      animation: false,
      aria: { enabled: true, label: { description: "Calls per minute by what they came to, over time. The table below has the same numbers." } },
      grid: { left: 48, right: 16, top: 12, bottom: 28 },
      xAxis: { ...axis, type: "category", data: data.starts.map((start) => label(start, data.slot_seconds)) },
      yAxis: { ...axis, type: "value", minInterval: 1 },
      series: named(data.calls).map((name, index) => ({
        name: words(name),
        type: "bar",
        stack: "calls",
        itemStyle: { color: rgb(colour(name, index)) },
        data: data.calls[name].map((calls) => Math.round((600 * calls) / data.slot_seconds) / 10),
      })),
    };
  }

  function duration(seconds) {
    const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(([size]) => seconds >= size);
    return `${seconds / size} ${unit}${seconds === size ? "" : "s"}`;
  }

  function cell(row, tag, text) {
    const made = document.createElement(tag);
    if (tag === "th") made.scope = row.parentNode?.tagName === "THEAD" ? "col" : "row";
    made.textContent = text;
    row.append(made);
  }

  // The same numbers for those who cannot see the chart: slots in which calls ended, the latest first.
  function fillTable(table, data) {
    const names = named(data.calls);
    const head = document.createElement("thead"), body = document.createElement("tbody");
    const first = head.insertRow();
    for (const title of ["From", ...names.map(words)]) cell(first, "th", title);
    for (let place = data.starts.length - 1; place >= 0; place--) {
      if (!names.some((name) => data.calls[name][place])) continue;
      const row = body.insertRow();
      cell(row, "th", label(data.starts[place], data.slot_seconds));
      for (const name of names) cell(row, "td", data.calls[name][place]);
    }
    table.replaceChildren(head, body);
  }

  function fillLegend(list, data) {
    list.replaceChildren(...named(data.calls).map((name, index) => {
      const item = document.createElement("li"), key = document.createElement("span");
      item.className = "list-inline-item";
      key.className = `legend me-1 bg-${colour(name, index)}`;
      item.append(key, words(name));
      return item;
    }));
  }

  function note(data) {
    if (!Object.keys(data.calls).length) return "No call has ended yet.";
    const bar = `A bar stands for ${duration(data.slot_seconds)}.`;
    return data.whole ? bar : `${bar} There were more calls before these.`;
  }

  // What the bar under the pointer stands for.
  function told(data, slot) {
    const calls = named(data.calls).filter((name) => data.calls[name][slot]).map((name) => `${data.calls[name][slot]} ${words(name)}`);
    return `${label(data.starts[slot], data.slot_seconds)}, ${duration(data.slot_seconds)}: ${calls.join(", ") || "no call ended"}.`;
  }

  function watch(box) {
    const card = box.closest(".card"), line = card.querySelector("[data-chart-note]");
    const chart = echarts.init(box, null, { renderer: "canvas" });
    let data = null, busy = false, again = false;

    function draw() {
      if (!data) return;
      chart.setOption(options(data), { notMerge: true });
      line.textContent = note(data);
      fillLegend(card.querySelector("[data-chart-legend]"), data);
      fillTable(card.querySelector("[data-chart-table]"), data);
    }

    async function load() {
      if (busy || document.hidden) { again = true; return; }  // the first event once it is seen again comes here
      busy = true;
      try {
        const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
        if (answer.ok) { data = await answer.json(); draw(); }
      } catch (fault) {
        // The connection is lost: the page says so already, and the next event tries again.
      }
      setTimeout(() => {
        busy = false;
        if (again) { again = false; load(); }
      }, REFRESH_MS);
    }

    chart.getZr().on("mousemove", (event) => {
      const slot = data && Math.round(chart.convertFromPixel({ xAxisIndex: 0 }, event.offsetX));
      if (data?.starts[slot]) line.textContent = told(data, slot);
    });
    chart.getZr().on("globalout", () => { if (data) line.textContent = note(data); });
    const live = document.getElementById("live");
    for (const name of ["progress", "campaign"]) live.addEventListener(name, load);
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
    new ResizeObserver(() => chart.resize()).observe(box);
    load();
  }

  function watchAll() {
    for (const box of document.querySelectorAll("[data-chart]")) if (!echarts.getInstanceByDom(box)) watch(box);
  }

  document.addEventListener("htmx:after:swap", watchAll);
  watchAll();
})();
