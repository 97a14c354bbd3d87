// Marks in the table of contents the part of the page that is being read, and folds the contents on a narrow screen.
(() => {
  const contents = document.querySelector("nav.contents");
  const fold = contents.querySelector("details");
  const wide = matchMedia("(min-width: 64rem)");
  const unfold = () => (fold.open = wide.matches);
  wide.addEventListener("change", unfold);
  unfold();
  contents.addEventListener("click", (event) => {
    if (event.target.closest("li a") && !wide.matches) fold.open = false;
  });

  const links = new Map([...contents.querySelectorAll("li a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const parts = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
  const follow = () => {
    const passed = parts.filter((part) => part.getBoundingClientRect().top <= innerHeight / 3);
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const current = atEnd && scrollY > 0 ? parts.at(-1) : (passed.at(-1) ?? parts[0]);
    for (const [id, link] of links) {
      if (current && id === current.id) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
  };
  let waiting = false;
  addEventListener(
    "scroll",
    () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        follow();
      });
    },
    { passive: true },
  );
  follow();

  // What is folded away is opened for whoever is sent there.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  if (location.hash) open();
})();
