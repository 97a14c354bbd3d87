"""Texts of a plot that lie on one another, by the boxes that a browser draws them in."""

from playwright.sync_api import Page

_FIND = """() => {
    const texts = [...document.querySelectorAll("text")].filter((text) => text.textContent.trim());
    // Of a power, the boxes of its parts: that of the whole counts the white space between them at the page's font size.
    const around = (text) => {
        const parts = [...text.querySelectorAll("tspan")].map((part) => part.getBoundingClientRect());
        const edge = (name, pick) => pick(...parts.map((part) => part[name]));
        return parts.length
            ? new DOMRect(edge("left", Math.min), edge("top", Math.min),
                edge("right", Math.max) - edge("left", Math.min), edge("bottom", Math.max) - edge("top", Math.min))
            : text.getBoundingClientRect();
    };
    const boxes = texts.map((text) => [text.textContent.trim(), around(text)]);
    const page = document.querySelector("svg").getBoundingClientRect();
    const within = (box) =>
        Math.min(box.left - page.left, page.right - box.right, box.top - page.top, page.bottom - box.bottom) >= -1;
    const found = boxes.filter(([, box]) => !within(box)).map(([name]) => `${name} is cut off`);
    // Boxes are a little larger than what is drawn in them, those of powers most.
    boxes.forEach(([name, box], place) => {
        for (const [other, next] of boxes.slice(place + 1)) {
            const width = Math.min(box.right, next.right) - Math.max(box.left, next.left);
            const height = Math.min(box.bottom, next.bottom) - Math.max(box.top, next.top);
            if (width > 4 && height > 2) found.push(`${name} lies on ${other}`);
        }
    });
    return found;
}"""


def find_overlaps(page: Page) -> list[str]:
    """Return what lies on what in the SVG that a page shows, and what its edge cuts off."""
    return page.evaluate(_FIND)
