// Makes the pages nicer; all of them work without it.
"use strict";

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

// Times in the reader's own zone.
for (const time of document.querySelectorAll("time[datetime]")) {
  const when = new Date(time.dateTime);
  if (!isNaN(when)) time.textContent = when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

// How strongly the map is drawn over the photo.
const heat = document.getElementById("heat");
const strength = document.getElementById("strength");
if (heat && strength) {
  const draw = () => { heat.style.opacity = strength.value / 100; };
  strength.addEventListener("input", draw);
  draw();
}

// A photo is sent as soon as it is chosen, dropped, pasted or taken.
const form = document.querySelector("form.drop");
if (form) {
  const [photo, camera] = [form.elements.photo, form.elements.camera];
  const problem = form.querySelector(".problem");
  const working = form.querySelector(".working");
  const button = form.querySelector("button");

  const complain = (text) => {
    const line = document.createElement("p");
    line.textContent = text;
    problem.replaceChildren(line);
  };
  const send = (input) => {
    const file = input.files[0];
    if (!file) return;
    if (file.size > form.dataset.most) {
      input.value = "";
      complain(`The photo has ${(file.size / 2 ** 20).toFixed(1)} MB; at most ${form.dataset.most / 2 ** 20} MB are taken.`);
      return;
    }
    form.requestSubmit();
  };
  const give = (files) => {
    const image = [...files].find((file) => file.type.startsWith("image/"));
    if (!image) return complain("That was no photo.");
    const list = new DataTransfer();
    list.items.add(image);
    photo.files = list.files;
    send(photo);
  };

  form.classList.add("scripted");
  photo.addEventListener("change", () => send(photo));
  camera.addEventListener("change", () => send(camera));
  form.addEventListener("submit", () => {
    problem.replaceChildren();
    working.textContent = "Classifying …";
    button.disabled = true;
  });
  window.addEventListener("pageshow", (event) => { // back from the result
    if (!event.persisted) return;
    form.reset();
    working.textContent = "";
    button.disabled = false;
  });
  let inside = 0;
  document.addEventListener("dragenter", (event) => { event.preventDefault(); inside += 1; form.classList.add("over"); });
  document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) form.classList.remove("over"); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    inside = 0;
    form.classList.remove("over");
    give(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) give(event.clipboardData.files);
  });
}
