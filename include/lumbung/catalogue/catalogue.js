/* The catalogue's search, and its drawings: pointing at a column shows what it is made of. */
"use strict";
(() => {
  const find = document.getElementById("find");
  if (find) {
    const found = document.getElementById("found"), nothing = document.getElementById("nothing");
    const english = document.getElementById("lang-en");
    const tables = [...document.querySelectorAll(".tables > li")].map((item) => ({
      item,
      text: `${item.dataset.table} ${item.querySelector(".what p").textContent}`.toLowerCase(),
      list: item.querySelector(".matches"),
      columns: [...item.querySelectorAll(".matches > li")].map((row) => ({ row, text: row.textContent.toLowerCase() })),
    }));
    const groups = [...document.querySelectorAll("ul.tables")];
    const hide = (element, hidden) => element.toggleAttribute("hidden", hidden);
    const search = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const isIn = (text) => words.every((word) => text.includes(word));
      let tableCount = 0, columnCount = 0;
      for (const { item, text, list, columns } of tables) {
        let matches = 0;
        for (const column of columns) {
          const matching = words.length > 0 && isIn(column.text);
          hide(column.row, !matching);
          matches += matching;
        }
        hide(list, matches === 0);
        const shown = matches > 0 || isIn(text);
        hide(item, !shown);
        tableCount += shown;
        columnCount += matches;
      }
      for (const group of groups) {
        const empty = !group.querySelector(":scope > li:not([hidden])");
        hide(group, empty);
        hide(group.previousElementSibling, empty);
      }
      for (const system of document.querySelectorAll(".system")) {
        hide(system, !system.querySelector("ul.tables:not([hidden])"));
      }
      hide(nothing, tableCount > 0);
      const said = english.checked ? found.dataset.en : found.dataset.id;
      found.textContent = words.length ? said.replace("{n}", tableCount).replace("{m}", columnCount) : "";
      history.replaceState(null, "", words.length ? `#${encodeURIComponent(find.value)}` : "#");
    };
    find.disabled = false;
    find.addEventListener("input", search);
    document.querySelector(".switch").addEventListener("change", search);
    addEventListener("keydown", (event) => {
      if (event.key === "/" && event.target !== find && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        find.focus();
      }
    });
    try {
      find.value = decodeURIComponent(location.hash.slice(1));
    } catch {
      // An address that was written by hand: nothing is searched.
    }
    if (find.value) search();
  }

  for (const drawing of document.querySelectorAll(".lineage")) {
    const lines = [...drawing.querySelectorAll("[data-ends]")].map((path) => ({ path, ends: path.dataset.ends.split(" ") }));
    const light = (column) => {
      drawing.classList.toggle("chosen", column !== null);
      for (const { path, ends } of lines) path.classList.toggle("lit", ends.includes(column));
    };
    for (const text of drawing.querySelectorAll("[data-column]")) {
      const { column } = text.dataset;
      for (const start of ["pointerenter", "focusin"]) text.parentElement.addEventListener(start, () => light(column));
      for (const end of ["pointerleave", "focusout"]) text.parentElement.addEventListener(end, () => light(null));
    }
  }
})();
