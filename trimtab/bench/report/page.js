"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const legend = [...document.querySelectorAll(".legend button[data-method]")];
  const hidden = new Set(legend.filter((b) => b.getAttribute("aria-pressed") === "false").map((b) => b.dataset.method));
  const divs = [...document.querySelectorAll(".figure")];
  const drawn = new Set();
  const scheme = matchMedia("(prefers-color-scheme: dark)");

  // Plotly knows nothing of CSS: colours of text and lines are handed to it, anew when the scheme changes.
  const template = () => {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const axis = {
      gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--line"), tickcolor: colour("--line"),
    };
    const none = "rgba(0,0,0,0)";
    const font = { color: colour("--text"), family: getComputedStyle(document.body).fontFamily, size: 12 };
    return { layout: { font, paper_bgcolor: none, plot_bgcolor: none, xaxis: axis, yaxis: axis } };
  };

  const draw = (div) => {
    const figure = figures[div.dataset.figure];
    if (!figure) return;
    const tiny = div.parentElement.classList.contains("many");
    const data = figure.data.filter((trace) => !hidden.has(trace.meta)).map((trace) => ({ ...trace }));
    const layout = { ...structuredClone(figure.layout), template: template() };
    if (tiny) delete layout.height;
    if (layout.height) div.style.height = `${layout.height}px`;
    delete layout.height;
    layout.autosize = true;
    const config = {
      responsive: true, displaylogo: false, displayModeBar: tiny ? false : "hover", scrollZoom: false, doubleClick: false,
      modeBarButtons: [["toImage"]],
    };
    drawn.add(div);
    Plotly.react(div, data, layout, config);
  };
  const again = () => drawn.forEach(draw);

  // A figure is drawn when it comes near: a page of fifty is up at once.
  const near = new IntersectionObserver(
    (entries) => entries.forEach((entry) => {
      if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
    }),
    { rootMargin: "400px" },
  );
  divs.forEach((div) => near.observe(div));
  scheme.addEventListener("change", again);
  addEventListener("beforeprint", () => divs.forEach(draw));

  const show = (names) => {
    legend.forEach((button) => {
      const on = names.has(button.dataset.method);
      button.setAttribute("aria-pressed", String(on));
      if (on) hidden.delete(button.dataset.method); else hidden.add(button.dataset.method);
    });
    again();
  };
  const shown = () => new Set(legend.map((b) => b.dataset.method).filter((name) => !hidden.has(name)));
  legend.forEach((button) => button.addEventListener("click", () => {
    const names = shown();
    if (!names.delete(button.dataset.method)) names.add(button.dataset.method);
    show(names);
  }));
  document.querySelectorAll(".legend button[data-set]").forEach((button) => {
    button.addEventListener("click", () => show(new Set(JSON.parse(button.dataset.set))));
  });

  document.querySelectorAll("select[data-for]").forEach((select) => {
    const target = document.getElementById(select.dataset.for);
    const pick = () => {
      target.dataset.figure = select.value;
      if (drawn.has(target)) draw(target);
    };
    select.addEventListener("change", pick);
    pick(); // a browser that goes back keeps the choice
  });

  document.querySelectorAll("table.sorts").forEach((table) => {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        [...table.tHead.rows[0].cells].forEach((cell) => cell.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
        const compare = (a, b) => {
          const [x, y] = [key(a), key(b)];
          if (x === "" || y === "") return (x === "") - (y === ""); // unknown goes last, whichever way
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return down ? -order : order;
        };
        [...body.rows].sort(compare).forEach((row) => body.append(row));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
  });

  const save = document.getElementById("save");
  if (save) save.addEventListener("click", () => {
    const text = document.getElementById("findings").textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
