(() => {
  const table = document.getElementById("misses");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const words = document.getElementById("words");
  const stage = document.getElementById("stage");
  const order = document.getElementById("order");
  const shown = document.getElementById("shown");
  const text = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  function filter() {
    const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits = (!stage.value || row.dataset.stage === stage.value) && sought.every((word) => text.get(row).includes(word));
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} of ${rows.length}`;
  }

  function value(row, column) {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.value);
  }

  function sort(column, down) {
    const sorted = [...rows].sort((one, other) => {
      const a = value(one, column), b = value(other, column);
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
    });
    body.append(...sorted);
    for (const [place, head] of [...table.tHead.rows[0].cells].entries()) {
      if (place === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  function unsort() {
    body.append(...rows);
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
  }

  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    head.querySelector("button").addEventListener("click", () => {
      sort(column, head.getAttribute("aria-sort") === "ascending");
      order.value = "";
    });
  }
  order.addEventListener("change", () => {
    const [column, down] = order.value.split(" ");
    if (column) sort(Number(column), down === "down");
    else unsort();
  });
  words.addEventListener("input", filter);
  stage.addEventListener("change", filter);
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      stage.value = button.dataset.show;
      filter();
      words.scrollIntoView({ block: "center" });
    });
  }
  filter();
})();
