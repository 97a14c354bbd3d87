// Sorts and filters the ledger. Without it the table stands complete, in the order of the notebooks.
(() => {
  const ledger = document.querySelector("#ledger");
  const form = ledger.querySelector("form");
  const body = ledger.querySelector("tbody");
  const rows = [...body.rows];

  const filter = () => {
    const verdicts = [...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value);
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const study = form.elements.study.value;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        (verdicts.length > 0 && !verdicts.includes(row.dataset.verdict)) ||
        (study !== "" && study !== row.dataset.study) ||
        !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${rows.length} figures`;
  };

  // Numbers before texts, what is missing last, whatever the direction; equal rows keep their order.
  const compare = (column, direction) => (first, second) => {
    const [one, other] = [first, second].map((row) => row.cells[column].dataset.value ?? row.cells[column].textContent);
    if (one === "" || other === "") return (one === "") - (other === "");
    const numbers = [Number(one), Number(other)];
    return direction * (numbers.some(Number.isNaN) ? one.localeCompare(other, "en") : numbers[0] - numbers[1]);
  };

  const headers = [...ledger.querySelectorAll("thead th")];
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };
  const sort = (header, column) => {
    const order = NEXT[header.getAttribute("aria-sort") ?? "none"];
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    if (order === "none") {
      body.append(...rows);
      return;
    }
    header.setAttribute("aria-sort", order);
    body.append(...[...rows].sort(compare(column, order === "ascending" ? 1 : -1)));
  };

  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header, column));
    header.append(button);
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
