// A week to paint with mouse, finger or keyboard, over the line of text that is sent: `mon-fri 09:00-17:00`.
(() => {
  const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
  const DAY = 1440, WEEK = 7 * DAY;
  const EXAMPLE = "mon-fri 09:00-17:00";
  const PRESETS = [["Weekdays 9 to 17", EXAMPLE], ["Every day 9 to 20", "daily 09:00-20:00"], ["Clear", ""]];

  // --- text -> minutes of the week, as the server reads it ---

  function parse(text) {
    const open = new Uint8Array(WEEK);
    for (const group of text.split(";")) {
      let days = new Set(), waiting = "";
      for (const part of group.split(",")) {
        const words = part.trim().toLowerCase().replace(/\s*[-\u2010-\u2015\u2212]\s*/g, "-").split(/\s+/).filter(Boolean);
        if (!words.length) continue;
        const hours = /\d/.test(words.at(-1)) ? words.pop() : "";
        for (const word of words) for (const day of daysOf(word)) days.add(day);
        if (!hours) { waiting = part.trim(); continue; }
        if (!days.size) throw new Error(`“${part.trim()}” names no day, as ${EXAMPLE} does`);
        const [start, end] = hoursOf(hours);
        for (const day of days) fill(open, day * DAY + start, day * DAY + (end < start ? end + DAY : end), 1);
        days = new Set(); waiting = "";
      }
      if (waiting) throw new Error(`“${waiting}” has no hours, as ${EXAMPLE} does`);
    }
    return open;
  }

  function daysOf(word) {
    if (word === "daily" || word === "all") return DAYS.keys();
    const [first, last, ...more] = word.split("-").map(dayOf);
    if (more.length) throw new Error(`“${word}” names more than two days`);
    const length = last === undefined ? 0 : (last - first + 7) % 7;
    return Array.from({ length: length + 1 }, (_, i) => (first + i) % 7);
  }

  function dayOf(word) {
    const day = word.length >= 3 ? DAYS.findIndex((name) => name.startsWith(word)) : -1;
    if (day < 0) throw new Error(`“${word}” is no day: write mon, tue, wed, thu, fri, sat, sun`);
    return day;
  }

  function hoursOf(text) {
    const pair = text.split("-").map((time) => {
      const found = /^(\d{1,2}):(\d{2})$/.exec(time);
      const minute = found && found[2] < 60 ? found[1] * 60 + Number(found[2]) : -1;
      if (minute < 0 || minute > DAY) throw new Error(`“${time}” is no time of day: write 00:00 to 24:00`);
      return minute;
    });
    if (pair.length !== 2) throw new Error(`“${text}” is no pair of hours: write 09:00-17:00`);
    const [start, end] = pair;
    if (start === DAY) throw new Error("24:00 can only end a stretch");
    if (start === end) throw new Error(`${text} ends as it starts; the whole day is 00:00-24:00`);
    return [start, start && !end ? DAY : end];
  }

  function fill(open, from, to, value) {
    for (let minute = from; minute < to; minute++) open[minute % WEEK] = value;
  }

  // --- minutes -> text ---

  function format(open) {
    const daysOfRun = new Map(); // "540-1020" -> [0, 1, 2, 3, 4]
    for (let day = 0; day < 7; day++) {
      for (let minute = 0; minute < DAY; minute++) {
        if (!open[day * DAY + minute]) continue;
        let end = minute;
        while (end < DAY && open[day * DAY + end]) end++;
        const run = `${minute}-${end}`;
        daysOfRun.set(run, [...(daysOfRun.get(run) || []), day]);
        minute = end;
      }
    }
    return [...daysOfRun].map(([run, days]) => `${nameDays(days)} ${run.split("-").map(clock).join("-")}`).join(", ");
  }

  function nameDays(days) {
    if (days.length === 7) return "daily";
    const short = (day) => DAYS[day].slice(0, 3);
    return days.filter((day) => !days.includes(day - 1)).map((first) => {
      let last = first;
      while (days.includes(last + 1)) last++;
      return first === last ? short(first) : `${short(first)}-${short(last)}`;
    }).join(",");
  }

  const clock = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const titled = (day) => DAYS[day][0].toUpperCase() + DAYS[day].slice(1);

  // --- the grid ---

  function make(tag, attributes = {}, text = "") {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return element;
  }

  class Grid {
    constructor(field) {
      this.field = field;
      this.text = field.querySelector("[data-window-text]");
      this.fault = field.querySelector("[data-window-fault]");
      this.step = /:[0-9]?[1-9]/.test(this.text.value) ? 30 : 60;
      this.open = new Uint8Array(WEEK);
      this.place = { day: 0, row: 9 };
      this.build();
      this.read();
      this.text.addEventListener("input", () => this.read());
      field.addEventListener("change", () => this.choose());
      this.choose();
    }

    build() {
      const holder = this.field.querySelector("[data-window-grid]");
      const tools = make("div", { class: "btn-list mb-2" });
      for (const [label, text] of PRESETS) {
        const button = make("button", { type: "button", class: "btn btn-sm" }, label);
        button.onclick = () => { this.text.value = text; this.read(); };
        tools.append(button);
      }
      const halves = make("label", { class: "form-check form-switch mb-0 ms-2" });
      this.halves = make("input", { type: "checkbox", class: "form-check-input" });
      this.halves.checked = this.step === 30;
      this.halves.onchange = () => { this.step = this.halves.checked ? 30 : 60; this.place.row = 0; this.rows(); this.draw(); };
      halves.append(this.halves, make("span", { class: "form-check-label" }, "Half hours"));
      tools.append(halves);
      this.table = make("table", { class: "window-grid", role: "grid", "aria-label": "Hours of the week: arrow keys move, Space switches an hour, Shift with an arrow paints", "aria-multiselectable": "true" });
      this.table.addEventListener("keydown", (event) => this.key(event));
      this.table.addEventListener("pointerdown", (event) => this.begin(event));
      this.table.addEventListener("pointermove", (event) => this.move(event));
      for (const end of ["pointerup", "pointercancel"]) this.table.addEventListener(end, () => { this.painting = null; });
      holder.replaceChildren(tools, this.table);
      this.rows();
    }

    rows() {
      const head = make("tr", { role: "row" });
      head.append(make("td", { role: "gridcell" }, ""));
      for (let day = 0; day < 7; day++) {
        const cell = make("th", { role: "columnheader", scope: "col" });
        cell.append(make("span", { "aria-hidden": "true" }, titled(day).slice(0, 3)), make("span", { class: "visually-hidden" }, titled(day)));
        head.append(cell);
      }
      const thead = make("thead", { role: "rowgroup" }), tbody = make("tbody", { role: "rowgroup" });
      thead.append(head);
      for (let row = 0; row < DAY / this.step; row++) {
        const line = make("tr", { role: "row" });
        line.append(make("th", { role: "rowheader", scope: "row" }, clock(row * this.step)));
        for (let day = 0; day < 7; day++) {
          const name = `${titled(day)} ${clock(row * this.step)} to ${clock((row + 1) * this.step)}`;
          line.append(make("td", { role: "gridcell", "aria-label": name, tabindex: "-1", "data-day": day, "data-row": row }));
        }
        tbody.append(line);
      }
      this.table.replaceChildren(thead, tbody);
      this.cells = [...tbody.querySelectorAll("td")];
    }

    cell(day, row) { return this.cells[row * 7 + day]; }

    span(day, row) { return [day * DAY + row * this.step, day * DAY + (row + 1) * this.step]; }

    is(day, row) {
      const [from, to] = this.span(day, row);
      const minutes = this.open.subarray(from, to).reduce((sum, value) => sum + value, 0);
      return minutes === this.step ? "true" : minutes ? "part" : "false";
    }

    draw() {
      for (const cell of this.cells) {
        const day = Number(cell.dataset.day), row = Number(cell.dataset.row), is = this.is(day, row);
        cell.setAttribute("aria-selected", String(is !== "false"));
        cell.classList.toggle("part", is === "part");
        cell.tabIndex = day === this.place.day && row === this.place.row ? 0 : -1;
      }
    }

    // What was written decides; what cannot be read leaves the grid as it was.
    read() {
      try {
        this.open = parse(this.text.value);
        this.say("");
        this.draw();
      } catch (fault) {
        this.say(fault.message);
      }
    }

    say(fault) {
      this.fault.textContent = fault;
      this.text.classList.toggle("is-invalid", fault !== "");
      this.text.setAttribute("aria-invalid", String(fault !== ""));
    }

    paint(day, row, value) {
      fill(this.open, ...this.span(day, row), value);
      this.text.value = format(this.open);
      this.say("");
      this.draw();
      this.text.dispatchEvent(new Event("change", { bubbles: true }));
    }

    go(day, row) {
      this.place = { day: Math.max(0, Math.min(6, day)), row: Math.max(0, Math.min(DAY / this.step - 1, row)) };
      this.draw();
      this.cell(this.place.day, this.place.row).focus();
    }

    key(event) {
      const { day, row } = this.place;
      const to = { ArrowLeft: [day - 1, row], ArrowRight: [day + 1, row], ArrowUp: [day, row - 1], ArrowDown: [day, row + 1], Home: [0, row], End: [6, row] }[event.key];
      if (to) {
        const value = this.is(day, row) === "false" ? 0 : 1;
        this.go(...to);
        if (event.shiftKey) this.paint(this.place.day, this.place.row, value);
      } else if (event.key === " ") {
        this.paint(day, row, this.is(day, row) === "true" ? 0 : 1);
      } else {
        return;
      }
      event.preventDefault();
    }

    begin(event) {
      const cell = event.target.closest("td[data-day]");
      if (!cell || event.button !== 0) return;
      event.preventDefault();
      const day = Number(cell.dataset.day), row = Number(cell.dataset.row);
      this.table.setPointerCapture(event.pointerId);
      this.painting = { day, row, value: this.is(day, row) === "true" ? 0 : 1, before: this.open.slice() };
      this.go(day, row);
      this.paint(day, row, this.painting.value);
    }

    // A rectangle from where the pointer went down to where it is.
    move(event) {
      if (!this.painting) return;
      const cell = document.elementFromPoint(event.clientX, event.clientY)?.closest("td[data-day]");
      if (!cell || !this.table.contains(cell)) return;
      const { day, row, value, before } = this.painting;
      const toDay = Number(cell.dataset.day), toRow = Number(cell.dataset.row);
      this.open = before.slice();
      for (let d = Math.min(day, toDay); d <= Math.max(day, toDay); d++)
        for (let r = Math.min(row, toRow); r <= Math.max(row, toRow); r++) fill(this.open, ...this.span(d, r), value);
      this.paint(day, row, value);
    }

    choose() {
      const chosen = (name) => this.field.querySelector(`[name=${name}]:checked`)?.value;
      this.field.querySelector("[data-window-hours]").hidden = chosen("when") === "any";
      this.field.querySelector("[data-window-zone]").hidden = chosen("whose") === "contact";
    }
  }

  function zones(field) {
    const list = field.querySelector("#zones");
    if (list.children.length) return;
    const chosen = field.querySelector("[name=timezone]");
    chosen.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const zone of Intl.supportedValuesOf("timeZone")) list.append(make("option", { value: zone }));
  }

  function begin() {
    for (const field of document.querySelectorAll("[data-window]:not([data-ready])")) {
      field.dataset.ready = "";
      zones(field);
      new Grid(field);
    }
  }

  document.addEventListener("htmx:after:swap", begin);
  begin();
})();
