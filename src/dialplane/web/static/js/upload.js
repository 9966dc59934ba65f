// A contacts file goes up in one request whose progress is shown, from a chooser or dropped on it.
(() => {
  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

  function begin(form) {
    const input = form.querySelector("input[type=file]");
    const progress = form.querySelector("[data-upload-progress]");
    const bar = progress.querySelector("progress");
    const status = form.querySelector("[data-upload-status]");
    const fault = form.querySelector("[data-upload-fault]");
    let request = null;

    function say(text) {
      fault.textContent = text;
      fault.hidden = !text;
    }

    function stop(text) {
      request = null;
      progress.hidden = true;
      input.disabled = false;
      say(text);
    }

    function send(file) {
      if (request) return;
      if (file.size > Number(form.dataset.most)) return say(`${file.name} has ${size(file.size)}, and ${size(Number(form.dataset.most))} are the most: split it, or leave out columns.`);
      if (!file.size) return say(`${file.name} is empty: choose the file that has the contacts.`);
      say("");
      progress.hidden = false;
      input.disabled = true;
      bar.value = 0;
      status.textContent = `${file.name}, ${size(file.size)}`;
      request = new XMLHttpRequest();
      request.upload.onprogress = (event) => {
        bar.value = (100 * event.loaded) / event.total;
        status.textContent = event.loaded < event.total ? `${size(event.loaded)} of ${size(event.total)}` : "It has arrived and is being looked at…";
      };
      request.onload = () => {
        const answer = read(request);
        if (request.status === 200 && answer.file) location.assign(form.dataset.next.replace("{file}", answer.file));
        else stop(answer.detail || `The server answered ${request.status}. Try again.`);
      };
      request.onerror = () => stop("The connection broke off. Nothing was kept; try again.");
      request.onabort = () => stop("Cancelled. Nothing was kept.");
      request.open("PUT", `${form.dataset.upload}?name=${encodeURIComponent(file.name)}`);
      request.setRequestHeader("Content-Type", file.type || "text/csv");
      request.send(file);
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.files[0]) send(input.files[0]);
    });
    input.addEventListener("change", () => input.files[0] && send(input.files[0]));
    form.querySelector("[data-upload-cancel]").addEventListener("click", () => request?.abort());
    for (const kind of ["dragenter", "dragover"]) form.addEventListener(kind, (event) => { event.preventDefault(); form.classList.add("is-over"); });
    for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("is-over"));
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
    });
  }

  function read(request) {
    try {
      return JSON.parse(request.responseText);
    } catch {
      return request.responseURL.includes("/sign-in") ? { detail: "You are signed out. Sign in again, then upload the file once more." } : {};
    }
  }

  document.querySelectorAll("[data-upload]").forEach(begin);
})();
