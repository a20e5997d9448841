/* What the pages do by themselves: language, theme, tables, tooltips, days of charts, rows behind a bar. */
"use strict";
(() => {
  const ROWS = 20, MORE = 100;
  const root = document.documentElement;
  const own = document.currentScript?.src;
  const api = own ? new URL("../api/", own) : null; // a file has no server to ask
  const data = JSON.parse(document.getElementById("tables")?.textContent ?? "{}");

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const words = (id, en) => {
    const both = document.createDocumentFragment();
    for (const [code, text] of [["id", id], ["en", en]]) {
      const span = make("span", { lang: code }, text);
      span.dataset.language = code;
      both.append(span);
    }
    return both;
  };
  const languageOf = (element) => element.closest("[data-language]")?.dataset.language ?? root.lang;
  const locale = (code) => (code === "en" ? "en-GB" : "id");
  const number = (value, code) => value.toLocaleString(locale(code));
  const day = (value, code) =>
    new Date(value).toLocaleDateString(locale(code), { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  // As `shown` in language.py: what cannot be seen or reorders the line is spelled out.
  const shown = (text) =>
    text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => {
      const plain = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
      const code = char.codePointAt(0);
      const [mark, size] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
      return plain ?? `\\${mark}${code.toString(16).padStart(size, "0")}`;
    });

  // Language: remembered, and the same in all pages that are open.
  const KEY = "lumbung-language";
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem(KEY, value);
      return localStorage.getItem(KEY);
    } catch {
      return value; // storage is switched off
    }
  };
  const speak = (code) => {
    const radio = document.getElementById(`lang-${code}`);
    if (radio) radio.checked = true;
    root.lang = code;
    const title = document.querySelector(`[data-language="${code}"][data-title]`)?.dataset.title;
    if (title) document.title = title;
  };
  for (const code of ["id", "en"]) {
    document.getElementById(`lang-${code}`)?.addEventListener("change", () => speak(remembered(code) ?? code));
  }
  const first = remembered();
  speak(first === "en" || first === "id" ? first : root.lang);
  addEventListener("storage", (event) => {
    if (event.key === KEY && ["id", "en"].includes(event.newValue)) speak(event.newValue);
  });

  // Theme: that of the page around this one, where it is of the same origin; else the system's.
  const around = (() => {
    try {
      return parent === window ? null : parent.document.documentElement;
    } catch {
      return null;
    }
  })();
  const paint = () => {
    for (const name of ["dark", "light"]) root.classList.toggle(name, around.classList.contains(name));
  };
  if (around) {
    paint();
    new MutationObserver(paint).observe(around, { attributeFilter: ["class"] });
  }

  // Airflow's frame is sandboxed and opens neither a tab nor a page that refuses frames; the page around it opens a tab.
  if (around) {
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href]");
      if (!link || event.defaultPrevented || link.protocol !== "https:" || link.origin === location.origin) return;
      event.preventDefault();
      const opener = around.ownerDocument.createElement("a");
      Object.assign(opener, { href: link.href, target: "_blank", rel: "noopener noreferrer" }).click();
    });
  }

  // CSV: a text that a spreadsheet would take for a formula gets an apostrophe before it.
  const csvCell = (value) => {
    const text = value === null ? "" : typeof value === "string" && /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : `${value}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const save = (name, rows) => {
    const text = `\ufeff${rows.map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`;
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    make("a", { href: url, download: `${name}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  const ask = async (path, query) => {
    const url = new URL(path, api);
    url.search = new URLSearchParams(query);
    for (let left = 5; ; left -= 1) {
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (answer.ok) return answer.json();
      const said = await answer.json().catch(() => ({}));
      if (answer.status !== 503 || left === 0) throw new Error(said.detail ?? answer.statusText);
      await new Promise((resolve) => setTimeout(resolve, 2000)); // it may still be made
    }
  };
  const failed = (error) => words(`Tidak bisa dimuat: ${error.message}`, `Cannot be loaded: ${error.message}`);

  // Tables.
  const valueOf = (cell, code) => {
    const text = cell.textContent.trim();
    if (!cell.classList.contains("n")) return text;
    const plain = (code === "en" ? text.replaceAll(",", "") : text.replaceAll(".", "").replace(",", ".")) || "–";
    return Number.isNaN(Number(plain)) ? (plain === "–" ? null : text) : Number(plain);
  };
  const cell = (value, kind, blank, code) => {
    const element = make(kind === "name" ? "th" : "td", kind === "name" ? { scope: "row" } : {});
    if (kind === "number") element.className = "n";
    else if (kind !== "name") element.className = { id: "id", day: "nowrap" }[kind] ?? "text";
    if (kind === "english") element.lang = "en";
    if (value === null) element.append("–");
    else if (kind === "number") element.append(number(value, code));
    else if (kind === "day") element.append(day(value, code));
    else if (kind === "name" && !value.trim()) element.append(make("i", { className: "blank" }, blank));
    else element.append(make("bdi", {}, shown(value)));
    return element;
  };
  const drillButton = (label, name, by, value) => {
    const button = make("button", { type: "button", className: "drill" });
    button.append(...label.childNodes);
    button.addEventListener("click", () => drill(button.textContent, name, by, value));
    label.append(button);
  };

  const enhance = (box) => {
    const table = box.querySelector("table"), body = table.tBodies[0], heads = [...(table.tHead?.rows[0].cells ?? [])];
    if (!body || heads.length === 0) return;
    const code = languageOf(box), given = data[box.dataset.table];
    const name = box.dataset.table ?? (box.getAttribute("aria-label") ?? "table").toLowerCase().replace(/\W+/g, "-");
    const cells = heads.map((head) => head.textContent.trim());
    const kinds = given?.kinds ?? heads.map(() => "");
    const blank = given?.blank[code === "en" ? 1 : 0];
    let rows = given
      ? given.rows.map((values) => ({ values }))
      : [...body.rows].map((node) => ({ node, values: [...node.cells].map((one) => valueOf(one, code)) }));
    const total = given?.total ?? rows.length;
    let limit = given ? ROWS : rows.length, sorted = null, wanted = "", only = "", loading = null;
    const dayAt = kinds.indexOf("day");

    const draw = (row) => {
      if (row.node) return row.node;
      row.node = make("tr", {}, ...row.values.map((value, at) => cell(value, kinds[at], blank, code)));
      if (api && given.by) drillButton(row.node.querySelector("th"), name, given.by, row.values[given.at]);
      return row.node;
    };
    const text = (row) => (row.text ??= row.values.map((v, at) => (kinds[at] === "day" ? `${v} ${day(v, code)}` : v)).join(" ").toLowerCase());
    const collator = new Intl.Collator(locale(code), { numeric: true });
    const compare = (a, b) => {
      const [x, y] = [a.values[sorted.at], b.values[sorted.at]];
      const order =
        x === null || y === null ? (y === null) - (x === null)
        : typeof x === "number" && typeof y === "number" ? x - y : collator.compare(x, y);
      return sorted.descending ? -order : order;
    };
    const chosen = () => {
      const kept = rows.filter((row) => (!only || row.values[dayAt] === only) && (!wanted || text(row).includes(wanted)));
      return sorted ? kept.sort(compare) : kept;
    };
    const show = () => {
      const kept = chosen();
      body.replaceChildren(...kept.slice(0, limit).map(draw));
      const n = number(Math.min(limit, kept.length), code), of = number(kept.length, code);
      status.replaceChildren(words(`${n} dari ${of} baris`, `${n} of ${of} rows`));
      if (rows.length < total) {
        const all = number(total, code), some = number(rows.length, code);
        status.append(" ", words(`(${some} yang pertama; semuanya ${all})`, `(the first ${some} of ${all})`));
        if (!api && given.query) status.append(" ", words("Semuanya:", "All of them:"), " ", make("code", {}, command));
      }
      more.hidden = kept.length <= limit && !(api && rows.length < total);
      table.tFoot?.toggleAttribute("hidden", Boolean(wanted || only));
    };
    const command = `lumbung query --csv "SELECT * FROM ${given?.query}"`;
    // All rows of a table that the page has only the first of.
    const complete = () =>
      (loading ??= (async () => {
        while (api && rows.length < total) {
          const page = await ask("report", { table: name, offset: rows.length });
          if (page.rows.length === 0) break;
          rows = rows.concat(page.rows.map((values) => ({ values })));
        }
      })().catch((error) => {
        loading = null;
        throw error;
      }));
    const change = async (action) => {
      action();
      show();
      if (!api || rows.length >= total) return;
      status.append(" ", words("Memuat…", "Loading…"));
      try {
        await complete();
        show();
      } catch (error) {
        status.replaceChildren(failed(error));
      }
    };

    heads.forEach((head, at) => {
      const button = make("button", { type: "button", className: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () =>
        change(() => {
          const numeric = rows.some((row) => typeof row.values[at] === "number");
          sorted = { at, descending: sorted?.at === at ? !sorted.descending : numeric };
          for (const other of heads) other.removeAttribute("aria-sort");
          head.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
        }),
      );
    });
    const tools = make("div", { className: "tools" });
    if (total > 8) {
      const input = make("input", { type: "search", autocomplete: "off", spellcheck: false });
      input.addEventListener("input", () => change(() => ((wanted = input.value.trim().toLowerCase()), (limit = given ? ROWS : rows.length))));
      tools.append(make("label", {}, words("Cari", "Search"), input));
    }
    if (dayAt >= 0) {
      const days = () => [...new Set(rows.map((row) => row.values[dayAt]))].sort().reverse();
      const more = api && rows.length < total;
      if (more || (days().length > 1 && days().length < rows.length)) {
        const label = daySelect(days(), code, (value) => change(() => (only = value)), true);
        if (more) label.lastChild.addEventListener("focus", () => complete().then(() => fill(label.lastChild, days(), code)).catch(() => {}), { once: true });
        tools.append(label);
      }
    }
    const button = make("button", { type: "button", className: "csv" }, "CSV");
    button.addEventListener("click", async () => {
      try {
        await complete();
        save(name, [given ? given.titles.map((title) => title[code === "en" ? 1 : 0]) : cells, ...chosen().map((row) => row.values)]);
      } catch (error) {
        status.replaceChildren(failed(error));
      }
    });
    tools.append(button);
    const status = make("p", { className: "note status", role: "status" });
    const more = make("button", { type: "button", className: "more" }, words("Tampilkan lagi", "Show more"));
    more.addEventListener("click", () => change(() => (limit += MORE)));
    box.before(tools);
    box.parentElement.querySelector(":scope > .rest")?.remove();
    box.after(status, more);
    if (given || total > 8) show();
    else more.hidden = status.hidden = true;
  };

  const fill = (select, days, code) => {
    const has = new Set([...select.options].map((option) => option.value));
    for (const value of days) if (!has.has(value)) select.append(make("option", { value }, day(value, code)));
  };
  const daySelect = (days, code, action, all) => {
    const select = make("select", { autocomplete: "off" });
    if (all) select.append(make("option", { value: "" }, code === "en" ? "all" : "semua"));
    fill(select, days, code);
    select.addEventListener("change", () => action(select.value));
    return make("label", {}, words("Hari", "Day"), select);
  };

  // Charts: the value of a day, by a list and by pointing.
  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const tell = (event, text) => {
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 4))}px`;
    tip.style.top = `${event.clientY - height - 12 < 4 ? event.clientY + 16 : event.clientY - height - 12}px`;
  };
  const enhanceLines = (list) => {
    const code = languageOf(list), days = list.dataset.days.split(","), items = [...list.children];
    const span = Date.parse(days.at(-1)) - Date.parse(days[0]);
    const values = (item) => item.dataset.values.split(",").map((value) => (value === "" ? null : Number(value)));
    const said = (value) => (value === null ? "–" : number(value, code));
    const point = (item, at) => {
      const value = values(item)[at];
      const x = (300 * (Date.parse(days[at]) - Date.parse(days[0]))) / span;
      item.querySelector(".v").textContent = said(value);
      item.querySelector(".dot").setAttribute("d", value === null ? "" : `M${x} ${100 - (100 * value) / (Number(item.dataset.most) || 1)}h0`);
    };
    list.before(make("div", { className: "tools" }, daySelect([...days].reverse(), code, (value) => items.forEach((item) => point(item, days.indexOf(value))))));
    for (const item of items) {
      const svg = item.querySelector("svg");
      item.addEventListener("pointermove", (event) => {
        const { left, width } = svg.getBoundingClientRect();
        const at = Date.parse(days[0]) + span * Math.max(0, Math.min(1, (event.clientX - left) / width));
        const near = days.reduce((best, value) => (Math.abs(Date.parse(value) - at) < Math.abs(Date.parse(best) - at) ? value : best));
        tell(event, `${day(near, code)}: ${said(values(item)[days.indexOf(near)])}`);
      });
    }
  };
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target) tell(event, target.dataset.tip);
    else if (!event.target.closest?.("[data-values]")) tip.hidden = true;
  });

  // The rows of the summary behind a bar.
  const panel = make("dialog", { className: "panel" });
  panel.setAttribute("aria-labelledby", "panel-title");
  document.body.append(panel);
  let newest = 0; // the request whose answer is shown
  const drill = async (title, table, by, value, offset = 0, pressed = null) => {
    const request = (newest += 1);
    const system = table.split("-")[0], query = { by, value };
    const close = make("button", { type: "button", className: "close" }, words("Tutup", "Close"));
    close.addEventListener("click", () => panel.close());
    const status = make("p", { className: "note", role: "status" }, words("Memuat…", "Loading…"));
    panel.replaceChildren(make("div", { className: "tools" }, make("h2", { id: "panel-title" }, title), close), status);
    if (!panel.open) panel.showModal();
    try {
      const page = await ask(`rows/${encodeURIComponent(system)}`, { ...query, offset });
      if (request !== newest) return;
      const last = offset + page.rows.length;
      const counted = (code) => [offset + 1, last, page.total].map((count) => number(page.rows.length ? count : 0, code));
      const [id, en] = [counted("id"), counted("en")];
      status.replaceChildren(words(`Baris ${id[0]} sampai ${id[1]} dari ${id[2]}`, `Rows ${en[0]} to ${en[1]} of ${en[2]}`));
      const go = (label, to, enabled, at) => {
        const button = make("button", { type: "button", disabled: !enabled }, label);
        button.addEventListener("click", () => drill(title, table, by, value, to, at));
        return button;
      };
      const pager = [
        go(words("Sebelumnya", "Previous"), Math.max(0, offset - page.limit), offset > 0, 0),
        go(words("Berikutnya", "Next"), last, last < page.total, 1),
      ];
      const csv = new URL(`rows/${encodeURIComponent(system)}`, api);
      csv.search = new URLSearchParams({ ...query, format: "csv" });
      const head = make("tr", {}, ...page.columns.map((column) => make("th", { scope: "col" }, column)));
      const body = page.rows.map((row) => make("tr", {}, ...row.map((one) => cell(one, typeof one === "number" ? "number" : "text", "", root.lang))));
      const scroll = make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: title },
        make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
      panel.append(
        scroll,
        make("div", { className: "tools" }, ...pager, make("a", { href: csv.href, download: "" }, "CSV")),
      );
      // The button that was pressed is gone: the focus goes to the new one, or to the other at the end.
      if (pressed !== null && !panel.contains(document.activeElement)) {
        (pager[pressed].disabled ? pager[1 - pressed] : pager[pressed]).focus();
      }
    } catch (error) {
      if (request === newest) status.replaceChildren(failed(error));
    }
  };

  // How old what is shown is, when it is looked at.
  const age = () => {
    for (const element of document.querySelectorAll(".age")) {
      const code = languageOf(element), minutes = Math.round((Date.parse(element.dataset.at) - Date.now()) / 60000);
      const [value, unit] = minutes > -60 ? [minutes, "minute"] : minutes > -2880 ? [minutes / 60, "hour"] : [minutes / 1440, "day"];
      element.textContent = new Intl.RelativeTimeFormat(locale(code)).format(Math.round(value), unit);
    }
  };
  age();
  setInterval(age, 60000);

  if (api) {
    for (const list of document.querySelectorAll("ul[data-table]")) {
      const { by, at, rows } = data[list.dataset.table]; // in the order of the bars
      if (by) [...list.children].forEach((item, index) => drillButton(item.querySelector(".label"), list.dataset.table, by, rows[index][at]));
    }
  }
  document.querySelectorAll(".lines[data-days]").forEach(enhanceLines);
  document.querySelectorAll(".scroll:has(> table:not(.plain))").forEach(enhance);
})();
