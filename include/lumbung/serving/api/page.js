"use strict";
const element = (id) => document.getElementById(id);
const functions = JSON.parse(element("functions").textContent);
const [form, path, model, other, body, status, answer] =
  ["form", "path", "model", "other", "body", "status", "answer"].map(element);

for (const [template] of functions) path.append(new Option(template.replace(/^\/v1\//, ""), template));
path.addEventListener("change", choose);
choose();

function choose() {
  const [template, example] = functions[path.selectedIndex];
  body.value = example ? JSON.stringify(example, null, 2) : "";
  element("sent").hidden = !example;
  const compares = template === "/v1/compare";
  element("against").hidden = other.disabled = !compares;
  model.disabled = !compares && !template.includes("{id}");
}

async function ask(address, options) {
  const started = performance.now();
  const response = await fetch(address, { ...options, headers: { authorization: `Bearer ${element("key").value}` } });
  const text = await response.text();
  status.textContent = `${response.status} ${response.statusText}, ${Math.round(performance.now() - started)} ms`;
  return { ok: response.ok, text };
}

function show(text) {
  try { answer.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { answer.textContent = text; }
  answer.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  element("docs").replaceChildren();
  const [template, example] = functions[path.selectedIndex];
  let address = template.replace("{id}", encodeURIComponent(model.value));
  if (!other.disabled) address += `?${new URLSearchParams({ left: model.value, right: other.value })}`;
  try {
    const { ok, text } = await ask(address, example ? { method: "POST", body: body.value } : {});
    show(text);
    if (ok && template === "/v1/models")
      element("models").replaceChildren(...JSON.parse(text).models.map(({ id }) => new Option(id, id)));
  } catch (error) {
    status.textContent = `The server does not answer: ${error.message}`;
  }
});

element("read").addEventListener("click", async () => {
  const { ok, text } = await ask("/docs");
  answer.hidden = true;
  if (!ok) return show(text);
  element("docs").replaceChildren(...new DOMParser().parseFromString(text, "text/html").querySelector("main").children);
});
