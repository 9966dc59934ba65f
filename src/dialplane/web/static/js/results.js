// Charts, drawn from the tables below them; names of countries in the reader's language.
(() => {
  const charts = new Map();
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;

  // A colour of the style sheet as the charts can read it: they know neither oklch() nor light-dark().
  function look(name) {
    probe.style.color = `var(${name})`;
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
  }

  const rows = (name) => [...document.querySelectorAll(`#${name} tbody tr`)].map((row) => row.dataset);

  function common(names) {
    const text = look("--tblr-secondary");
    const lines = { lineStyle: { color: look("--tblr-border-color") } };
    return {
      text,
      lines,
      option: {
        aria: { enabled: true },
        animation: false,
        tooltip: { trigger: "axis", renderMode: "richText" },
        grid: { left: 8, right: 8, top: 32, bottom: 8, containLabel: true },
        xAxis: { type: "category", data: names, axisLabel: { color: text }, axisLine: lines },
      },
    };
  }

  function hours() {
    const found = rows("hours");
    const { text, lines, option } = common(found.map((row) => row.name));
    const rate = (row) => (Number(row.calls) ? Math.round((100 * row.answered) / row.calls) : null);
    return {
      ...option,
      yAxis: [
        { type: "value", axisLabel: { color: text }, splitLine: lines },
        { type: "value", min: 0, max: 100, axisLabel: { color: text, formatter: "{value} %" }, splitLine: { show: false } },
      ],
      series: [
        { name: "Calls placed", type: "bar", data: found.map((row) => Number(row.calls)), itemStyle: { color: look("--tblr-azure") } },
        { name: "Answer rate", type: "line", yAxisIndex: 1, data: found.map(rate), itemStyle: { color: look("--tblr-green") } },
      ],
    };
  }

  function lengths() {
    const found = rows("lengths");
    const { text, lines, option } = common(found.map((row) => row.name));
    return {
      ...option,
      yAxis: { type: "value", axisLabel: { color: text }, splitLine: lines },
      series: [{ name: "Calls", type: "bar", data: found.map((row) => Number(row.calls)), itemStyle: { color: look("--tblr-azure") } }],
    };
  }

  function draw() {
    for (const element of document.querySelectorAll("[data-chart]")) {
      if (!charts.has(element)) charts.set(element, echarts.init(element));
      charts.get(element).setOption({ hours, lengths }[element.dataset.chart](), true);
    }
  }

  const names = new Intl.DisplayNames(undefined, { type: "region" });
  for (const element of document.querySelectorAll("[data-region]")) element.textContent = names.of(element.dataset.region);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", () => charts.forEach((chart) => chart.resize()));
  draw();
})();
