// <form data-send-file="/path" data-result="id">: sends its file as the body, its other fields in the query, shows how
// much of it has gone, and then what the server says of it.
(() => {
  function send(form) {
    const file = form.querySelector("input[type=file]").files[0];
    if (!file) return;
    const progress = form.querySelector("progress");
    const button = form.querySelector("button");
    const result = document.getElementById(form.dataset.result);
    const query = new URLSearchParams({ name: file.name });
    for (const field of form.querySelectorAll("input:not([type=file])")) if (field.value.trim()) query.set(field.name, field.value.trim());
    const request = new XMLHttpRequest();
    request.open("POST", `${form.dataset.sendFile}?${query}`);
    request.setRequestHeader("HX-Request", "true"); // a part of a page is enough
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress.value = event.loaded / event.total; };
    request.onload = () => {
      const away = request.getResponseHeader("HX-Redirect");
      if (away) location.assign(away);
      result.replaceChildren(...new DOMParser().parseFromString(request.responseText, "text/html").body.childNodes);
    };
    request.onerror = () => { result.textContent = "The file did not arrive: the connection broke off. Send it again."; };
    request.onloadend = () => { progress.hidden = true; button.disabled = false; };
    progress.value = 0;
    progress.hidden = false;
    button.disabled = true;
    request.send(file);
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-send-file]")) return;
    event.preventDefault();
    send(event.target);
  });
})();
