// Filters and sorts the ledger. Both stand in the address, as `#?verdict=not+reproduced&sort=-difference`; any other fragment is the
// id of a row, and shows it among all others. Without this script the table stands complete, in the order of the notebooks.
(() => {
  const GROUPS = ["study", "kind", "verdict", "cause"];
  const form = document.querySelector("form");
  const said = form.querySelector("output");
  const boxes = [...form.querySelectorAll("[type=checkbox]")].map((box) => ({
    box,
    group: GROUPS.indexOf(box.name),
    value: box.value,
    count: box.parentNode.querySelector(".count"),
  }));
  const ranks = GROUPS.map((name) => boxes.filter(({ box }) => box.name === name).map(({ value }) => value));
  const table = document.querySelector("table");
  const headers = [...table.tHead.rows[0].cells];
  const logs = [...table.querySelectorAll(".log")];
  const first = (node) => (node.firstChild ? first(node.firstChild) : node.textContent);
  const rows = [...table.querySelectorAll("tbody tr:not(.log)")].map((row) => ({
    row,
    body: row.parentNode,
    shown: true,
    text: `${row.id} ${row.textContent}`.toLowerCase(),
    values: [row.parentNode.dataset.study, row.parentNode.dataset.kind, first(row.cells[6]), first(row.cells[7])],
  }));
  const sortedBody = table.createTBody();
  const orders = headers.flatMap(({ dataset }) => [dataset.name, `-${dataset.name}`]);
  let order = ""; // one of them, or the order of the notebooks
  let sorted = ""; // in which the rows stand

  const filter = () => {
    const chosen = GROUPS.map((_, group) => boxes.filter((one) => one.group === group && one.box.checked).map(({ value }) => value));
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = GROUPS.map(() => new Map());
    const open = new Set();
    let number = 0;
    for (const one of rows) {
      const found = words.every((word) => one.text.includes(word));
      const missed = one.values.flatMap((value, group) => (chosen[group].length && !chosen[group].includes(value) ? [group] : []));
      const shown = found && missed.length === 0;
      if (shown) {
        number += 1;
        open.add(one.body);
      }
      // A choice counts the rows that the other groups leave to it.
      if (found && missed.length < 2) {
        one.values.forEach((value, group) => {
          if (missed.length === 0 || missed[0] === group) counts[group].set(value, (counts[group].get(value) ?? 0) + 1);
        });
      }
      if (shown !== one.shown) one.row.hidden = !shown;
      one.shown = shown;
    }
    for (const log of logs) log.hidden = order !== "" || !open.has(log.parentNode);
    for (const { group, value, count } of boxes) count.textContent = counts[group].get(value) ?? 0;
    said.textContent = `${number.toLocaleString("en")} of ${rows.length.toLocaleString("en")} numbers`;
  };

  // Numbers by size, what the filter offers in its order, what is missing last, whatever the direction; equal rows keep their order.
  const texts = new Intl.Collator("en", { numeric: true });
  const keyOf = (one, column) => {
    const group = GROUPS.indexOf(headers[column].dataset.name);
    if (group >= 0) return ranks[group].indexOf(one.values[group]);
    const text = first(one.row.cells[column]);
    return text === "" || text === "–" ? null : Number.isNaN(Number(text)) ? text : Number(text);
  };
  const sort = () => {
    if (order === sorted) return;
    sorted = order;
    const [name, direction] = order.startsWith("-") ? [order.slice(1), -1] : [order, 1];
    const column = headers.findIndex((header) => header.dataset.name === name);
    for (const header of headers) header.removeAttribute("aria-sort");
    if (column < 0) {
      for (const { row, body } of rows) body.append(row);
      return;
    }
    headers[column].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const keys = new Map(rows.map((one) => [one, keyOf(one, column)]));
    const compare = (one, other) =>
      typeof one === "number" && typeof other === "number" ? one - other : texts.compare(one, other);
    const inOrder = [...rows].sort((one, other) => {
      const [key, otherKey] = [keys.get(one), keys.get(other)];
      return (key === null) - (otherKey === null) || direction * compare(key, otherKey);
    });
    sortedBody.append(...inOrder.map(({ row }) => row));
  };

  const show = () => {
    sort();
    filter();
  };

  // Rows out of sight have an estimated height, and move what is below them once they are laid out: so once more in the next frames.
  const showTarget = (times = 4) => {
    const row = document.querySelector("tr:target");
    if (!row || times === 0) return;
    row.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => showTarget(times - 1));
  };

  const read = () => {
    const state = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
    for (const { box, value } of boxes) box.checked = state.getAll(box.name).includes(value);
    form.elements.text.value = state.get("text") ?? "";
    order = orders.includes(state.get("sort")) ? state.get("sort") : "";
    show();
    if (!location.hash.startsWith("#?")) showTarget(); // a row that was one stays the target when the history is written
  };

  // Each change is a step back, what is typed at once is one.
  const write = (typed) => {
    const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    if (order !== "") state.set("sort", order);
    const step = typed && history.state === "typed" ? "replaceState" : "pushState";
    history[step](typed ? "typed" : null, "", `#?${state}`);
  };

  for (const header of headers) {
    const { name } = header.dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => {
      order = order === name ? `-${name}` : order === `-${name}` ? "" : name;
      show();
      write(false);
    });
    header.append(button);
  }
  form.addEventListener("input", ({ target }) => {
    show();
    write(target.name === "text");
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    history.pushState(null, "", "#?");
    read();
  });
  addEventListener("hashchange", read);
  addEventListener("load", () => showTarget()); // after the browser has scrolled by its estimates
  form.hidden = false;
  read();
})();
