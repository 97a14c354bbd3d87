// Plots can be read off: the mark next to the pointer, or the one that has the focus, shows name, x and y beside its point.
// A plot is one stop of the tab key; the arrows lead from mark to mark and along its points, Escape closes.
(() => {
  const REACH = 40; // pixels, from the pointer to a point
  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const say = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const tip = set(document.createElement("div"), { class: "mark-tip", role: "status", hidden: "" });
  const ring = set(document.createElementNS("http://www.w3.org/2000/svg", "circle"), { class: "mark-ring", r: 5 });
  document.body.append(tip);
  document.querySelectorAll(".mark > title").forEach((title) => title.remove()); // the browser's own would lie over ours

  const places = (mark) => mark.dataset.at.split(" ").map((at) => at.split(",").map(Number));
  let shown = null;
  const hide = () => {
    shown?.mark.classList.remove("shown");
    shown = null;
    tip.hidden = true;
    ring.remove();
  };

  const show = (mark, index) => {
    if (shown?.mark === mark && shown.index === index) return;
    hide();
    shown = { mark, index };
    mark.classList.add("shown");
    const { xLabel, yLabel } = mark.closest(".panel").dataset;
    const lines = [[xLabel, mark.dataset.x], [yLabel, mark.dataset.y]].filter(([label]) => label);
    const texts = lines.map(([label, values]) => say("div", `${label}: ${values.split("|")[index]}`));
    tip.replaceChildren(say("strong", mark.dataset.name), ...texts);
    tip.hidden = false;
    const [x, y] = places(mark)[index];
    mark.ownerSVGElement.append(set(ring, { cx: x, cy: y }));
    const at = new DOMPoint(x, y).matrixTransform(mark.ownerSVGElement.getScreenCTM());
    const left = Math.max(4, Math.min(at.x + 12, document.documentElement.clientWidth - tip.offsetWidth - 4));
    const above = at.y - tip.offsetHeight - 12;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${(above < 4 ? at.y + 14 : above) + scrollY}px`;
  };

  const point = (event) => {
    const plot = event.target.closest("svg.marks");
    if (!plot) return hide();
    const matrix = plot.getScreenCTM();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let nearest = { distance: REACH / matrix.a };
    for (const mark of plot.querySelectorAll(".mark"))
      places(mark).forEach(([left, top], index) => {
        const distance = Math.hypot(left - x, top - y);
        if (distance <= nearest.distance) nearest = { distance, mark, index };
      });
    return nearest.mark ? show(nearest.mark, nearest.index) : hide();
  };
  for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, point);
  document.addEventListener("focusin", ({ target }) => target.matches(".mark:focus-visible") && show(target, 0));
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const mark = event.target.closest(".mark");
    const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const across = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!mark || !(along || across)) return;
    event.preventDefault();
    if (along) {
      const index = shown?.mark === mark ? shown.index + along : 0;
      return show(mark, Math.max(0, Math.min(index, places(mark).length - 1)));
    }
    const marks = [...mark.ownerSVGElement.querySelectorAll(".mark")];
    const next = marks[marks.indexOf(mark) + across] ?? mark;
    set(mark, { tabindex: -1 });
    set(next, { tabindex: 0 }).focus();
  });
})();
