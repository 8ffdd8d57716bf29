"use strict";

// Charts: the points nearest to the pointer, or chosen by the arrow keys, are read out.
for (const plot of document.querySelectorAll(".plot")) {
  const svg = plot.querySelector("svg");
  const cursor = svg.querySelector(".cursor");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-live", "polite");
  plot.append(tip);
  let chosen = null;

  const shown = () => [...svg.querySelectorAll(".series:not(.off) circle")];
  const place = (circle) => [circle.cx.baseVal.value, circle.cy.baseVal.value];

  const choose = (circle) => {
    chosen = circle;
    tip.replaceChildren();
    cursor.classList.toggle("on", circle !== null);
    for (const other of svg.querySelectorAll("circle")) other.classList.remove("at");
    if (circle === null) return;
    const [x] = place(circle);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    for (const other of shown()) {
      if (other.dataset.x !== circle.dataset.x) continue;
      other.classList.add("at");
      const line = document.createElement("div");
      line.className = [...other.parentNode.classList].find((c) => /^s\d$/.test(c));
      line.textContent = other.querySelector("title").textContent;
      tip.append(line);
    }
    const onTheLeft = x < svg.viewBox.baseVal.width / 2;
    tip.style.left = onTheLeft ? "auto" : "3.5rem";
    tip.style.right = onTheLeft ? ".5rem" : "auto";
  };

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale;
    const y = (event.clientY - box.top) * scale;
    const far = (circle) => Math.hypot(place(circle)[0] - x, place(circle)[1] - y);
    choose(shown().reduce((a, b) => (a && far(a) <= far(b) ? a : b), null));
  });
  svg.addEventListener("pointerleave", () => choose(null));
  plot.addEventListener("blur", () => choose(null));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") choose(null);
    if (!step) return;
    event.preventDefault();
    const places = new Map(shown().map((circle) => [circle.dataset.x, circle]));
    const inOrder = [...places.values()].sort((a, b) => place(a)[0] - place(b)[0]);
    const now = chosen ? inOrder.findIndex((c) => c.dataset.x === chosen.dataset.x) : -1;
    const next = chosen ? now + step : step > 0 ? 0 : inOrder.length - 1;
    if (inOrder[next]) choose(inOrder[next]);
  });
}

// Legends: a run is shown or hidden in all charts of its set.
for (const set of document.querySelectorAll(".curves")) {
  for (const button of set.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      const lines = `[data-series="${button.dataset.toggle}"]`;
      for (const line of set.querySelectorAll(lines)) line.classList.toggle("off", !on);
    });
  }
}

// Confusion matrices: the cell under the pointer or in focus is read out.
for (const matrix of document.querySelectorAll(".matrix")) {
  const says = matrix.parentNode.parentNode.querySelector(".says");
  const say = (event) => {
    if (event.target.title) says.textContent = event.target.title;
  };
  matrix.addEventListener("pointerover", say);
  matrix.addEventListener("focusin", say);
  matrix.addEventListener("keydown", (event) => {
    const step = {
      ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
    }[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    const row = matrix.rows[cell.parentNode.rowIndex + step[0]];
    const next = row && row.cells[cell.cellIndex + step[1]];
    if (!next || !next.title) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

// Paper cannot be pressed: everything is open in print.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
