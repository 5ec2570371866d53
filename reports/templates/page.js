// Comfort only: the page says everything without it.
(function () {
  "use strict";

  function button(text, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  // "−0.012 ± 0.003", "[+0.01, +0.02]", "1,204" and "85 % +0.04" sort by their first number
  function numeric(text) {
    const plain = text.replace(/−/g, "-").replace(/^\[/, "");
    const found = /^[<+]?\s*(-?(?:\d+(?:,\d{3})*\.?\d*|\.\d+)(?:e[+-]?\d+)?)(?=$|[\s,;%±\]\/([])/i.exec(plain);
    return found ? parseFloat(found[1].replace(/,/g, "")) : NaN;
  }

  function sortBy(table, column, down) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, function (row) {
      const text = row.cells[column] ? row.cells[column].textContent.trim() : "";
      const empty = row.cells[column] && row.cells[column].querySelector(".gap"); // "3 of 3 failed" is no score of 3
      return { row: row, text: text, value: empty ? NaN : numeric(text) };
    });
    const said = rows.filter((r) => r.text !== "" && r.text !== "–");
    const asNumbers = said.filter((r) => !isNaN(r.value)).length * 2 > said.length;
    const gap = (r) => (asNumbers ? isNaN(r.value) : r.text === "" || r.text === "–");
    rows.sort(function (a, b) {
      if (gap(a) || gap(b)) return gap(a) - gap(b); // gaps stay below, whichever way
      const order = asNumbers ? a.value - b.value : a.text.localeCompare(b.text, "en", { numeric: true });
      return down ? -order : order;
    });
    for (const r of rows) body.appendChild(r.row);
  }

  // a link to a section opens its fold
  function unfold() {
    const place = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let item = place; item; item = item.parentElement) {
      const folded = item.matches("details") ? item : item === place && item.querySelector("details.fold");
      if (folded) folded.open = true;
    }
  }
  window.addEventListener("hashchange", unfold);
  unfold();

  for (const table of document.querySelectorAll("main table")) {
    if (!table.tHead || !table.tBodies.length || table.tBodies[0].rows.length < 2) continue;
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      const sorter = button("", "", function () {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sortBy(table, column, down);
      });
      while (head.firstChild) sorter.appendChild(head.firstChild);
      if (!sorter.textContent.trim()) sorter.setAttribute("aria-label", "Name");
      head.appendChild(sorter);
      head.setAttribute("aria-sort", "none");
    });
  }

  // a long table is filtered by any text of a row
  for (const table of document.querySelectorAll("main table")) {
    if (!table.tBodies.length || table.tBodies[0].rows.length < 16) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Filter rows";
    field.setAttribute("aria-label", "Filter the rows of the table");
    field.className = "filter";
    field.addEventListener("input", function () {
      const wanted = field.value.trim().toLowerCase();
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.parentElement.before(field);
  }

  // the line of buttons below a figure or table
  function toolsAfter(item) {
    const next = item.nextElementSibling;
    if (next && next.classList.contains("tools")) return next;
    const made = document.createElement("p");
    made.className = "tools";
    item.after(made);
    return made;
  }

  const dialog = document.createElement("dialog");
  const shown = document.createElement("div");
  dialog.append(button("Close", "", () => dialog.close()), shown);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.firstChild.className = "small";
  document.body.appendChild(dialog);
  for (const figure of document.querySelectorAll("figure")) {
    const drawing = figure.querySelector("svg");
    if (!drawing) continue;
    const enlarge = function () {
      const copy = drawing.cloneNode(true);
      copy.removeAttribute("width");
      copy.removeAttribute("height");
      shown.replaceChildren(copy);
      dialog.setAttribute("aria-label", figure.getAttribute("aria-label") || "Figure");
      dialog.showModal();
    };
    drawing.style.cursor = "zoom-in";
    drawing.addEventListener("click", enlarge);
    const opener = button("Enlarge", "Enlarge the figure", enlarge);
    opener.className = "small enlarge";
    toolsAfter(figure).prepend(opener);
  }

  function copyOld(text) {
    const field = document.createElement("textarea");
    field.value = text;
    (dialog.open ? dialog : document.body).appendChild(field); // what lies below an open dialog cannot be selected
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("the browser forbids it"));
  }

  function copy(text) {
    if (!navigator.clipboard) return copyOld(text);
    return navigator.clipboard.writeText(text).catch(() => copyOld(text));
  }

  function copier(term, text) {
    const made = button("Copy", "Copy: " + (term || text.slice(0, 40)), function () {
      copy((term ? term + ": " : "") + text).then(
        () => { made.textContent = "Copied"; },
        () => { made.textContent = "Not copied"; }
      );
    });
    made.className = "small copy";
    return made;
  }

  const meanings = new Map(); // what a column's head or a word stands for: the terms at the end of the page
  for (const item of document.querySelectorAll(".define")) {
    const term = item.dataset.term, text = item.textContent.trim();
    const heads = (item.dataset.heads || "").split("|"), entry = { term: term, text: text };
    if (term) for (const head of [term].concat(heads)) if (head) meanings.set(head, entry);
    item.append(" ", copier(term, text));
  }

  function define(place, words) {
    const found = new Set(words.map((word) => meanings.get(word)).filter(Boolean));
    if (!found.size) return;
    const opener = button("Definitions", "What these numbers mean", function () {
      const list = document.createElement("dl");
      for (const entry of found) {
        const term = document.createElement("dt"), text = document.createElement("dd");
        term.textContent = entry.term;
        text.textContent = entry.text;
        text.append(" ", copier(entry.term, entry.text));
        list.append(term, text);
      }
      shown.replaceChildren(list);
      dialog.setAttribute("aria-label", "Definitions");
      dialog.showModal();
    });
    opener.className = "small definitions";
    toolsAfter(place).append(opener);
  }

  // "95 % interval" and "90 % interval" are one term, and so are "Validation AUROC" and "AUROC"
  const words = (item) => item.textContent.replace(/\s+/g, " ").trim().replace(/^[\d.]+ % |^(Validation|Test) (?=.)| difference$/, "");
  for (const table of document.querySelectorAll("main table")) {
    if (!table.tHead) continue;
    // the tables of scores have arms and data sets as heads: their metric stands above them
    const title = table.parentElement.previousElementSibling;
    const above = title && title.tagName === "H3" ? [words(title)] : [];
    if (table.dataset.words) above.push(...table.dataset.words.split("|"));
    for (const head of table.tHead.rows[0].cells) {
      const entry = meanings.get(words(head));
      if (entry) head.title = entry.text;
    }
    define(table.parentElement, above.concat(Array.from(table.tHead.rows[0].cells, words)));
  }
  for (const item of document.querySelectorAll("div[data-words]")) define(item, item.dataset.words.split("|"));
})();
