// A new campaign: columns and their names, countries in words, the chart of a forecast, the zone of a start.
(() => {
  const regions = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });

  function dress(root) {
    for (const element of root.querySelectorAll("[data-region]:not([data-named])")) {
      element.dataset.named = "";
      if (/^[A-Z]{2}$/.test(element.dataset.region)) element.textContent = regions.of(element.dataset.region);
    }
    for (const kind of root.querySelectorAll(".column-kind")) {
      kind.closest("tr").querySelector(".column-name").hidden = kind.value !== "variable";
    }
    for (const zone of root.querySelectorAll("[data-own-zone]")) {
      zone.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
    }
  }

  // --- the forecast: lines over time, from the table beside it ---

  // Of a theme's variable, as the canvas understands it.
  function color(name) {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    pen.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
    return `rgb(${red}, ${green}, ${blue})`;
  }

  function chart() {
    const place = document.getElementById("forecast-chart");
    if (!place || typeof echarts === "undefined") return;
    const slots = [...document.querySelectorAll("#forecast-slots tr[data-at]")].map((row) => [row.dataset.at, Number(row.dataset.lines)]);
    const text = color("--tblr-secondary"), line = color("--tblr-primary"), rule = color("--tblr-border-color");
    const drawn = echarts.getInstanceByDom(place) || echarts.init(place);
    drawn.setOption({
      aria: { enabled: true },
      animation: false,
      grid: { left: 8, right: 16, top: 16, bottom: 8, outerBoundsMode: "same", containLabel: true },
      tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (lines) => `${lines.toFixed(1)} lines` },
      xAxis: { type: "time", axisLabel: { color: text, hideOverlap: true }, axisLine: { lineStyle: { color: rule } } },
      yAxis: { type: "value", minInterval: 1, axisLabel: { color: text }, splitLine: { lineStyle: { color: rule } } },
      series: [{ type: "line", step: "end", showSymbol: false, data: slots, lineStyle: { color: line }, itemStyle: { color: line }, areaStyle: { color: line, opacity: 0.15 } }],
    });
  }

  new MutationObserver(chart).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  window.addEventListener("resize", () => {
    const place = document.getElementById("forecast-chart");
    if (place) echarts.getInstanceByDom(place)?.resize();
  });

  document.addEventListener("change", () => dress(document));
  document.addEventListener("htmx:after:swap", () => { dress(document); chart(); });
  dress(document);
  chart();
  document.querySelector("[data-here]")?.scrollIntoView({ block: "center" });
})();
