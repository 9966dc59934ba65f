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

  const lost = (is) => { document.getElementById("live-fault").hidden = !is; };

  document.addEventListener("submit", confirmFirst, true);
  document.addEventListener("htmx:after:swap", () => localTimes(document));
  document.addEventListener("htmx:sse:error", () => lost(true));
  document.addEventListener("htmx:sse:after:connection", () => lost(false));
  localTimes(document);
})();
