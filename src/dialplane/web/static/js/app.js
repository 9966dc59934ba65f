// What every page has: times in the reader's zone, one question before what cannot be undone, word of a lost connection.
(() => {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  function localTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(element.dateTime);
      if (isNaN(at)) continue;
      element.dataset.local = "";
      element.title = element.textContent;
      element.textContent = format.format(at);
    }
  }

  // <form data-confirm="…"> or <button data-confirm="…" data-confirm-yes="Cancel it">: asked once, in a dialog.
  function confirmFirst(event) {
    const form = event.target;
    const asking = event.submitter?.dataset.confirm ? event.submitter : form;
    if (!asking.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopPropagation();
    const dialog = document.getElementById("confirm");
    document.getElementById("confirm-text").textContent = asking.dataset.confirm;
    document.getElementById("confirm-yes").textContent = asking.dataset.confirmYes || "Yes";
    dialog.returnValue = "no";
    dialog.onclose = () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.confirmed = "1";
      form.requestSubmit(event.submitter);
      delete form.dataset.confirmed;
    };
    dialog.showModal();
  }

  // <input type="datetime-local" data-instant="starts_at" data-at="…Z">: shown in the reader's zone, sent as that field.
  function showInstants(root) {
    for (const input of root.querySelectorAll("input[data-at]")) {
      const at = new Date(input.dataset.at);
      if (!isNaN(at)) input.value = new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
      input.dataset.was = input.value;
    }
  }

  function sendInstants(event) {
    for (const input of event.target.querySelectorAll("input[data-instant]")) {
      const name = input.dataset.instant;
      const field = event.target.querySelector(`input[type=hidden][name="${name}"]`) || document.createElement("input");
      const at = input.value === input.dataset.was ? input.dataset.at : input.value && new Date(input.value).toISOString();
      Object.assign(field, { type: "hidden", name, value: at });
      event.target.append(field);
    }
  }

  const lost = (is) => { document.getElementById("live-fault").hidden = !is; };

  document.addEventListener("submit", confirmFirst, true);
  document.addEventListener("submit", sendInstants, true);
  document.addEventListener("htmx:after:swap", () => localTimes(document));
  document.addEventListener("htmx:sse:error", () => lost(true));
  document.addEventListener("htmx:sse:after:connection", () => lost(false));
  localTimes(document);
  showInstants(document);
})();
