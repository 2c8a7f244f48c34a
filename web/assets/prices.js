// <price-table>: what a table of prices has with a script: rows are added and taken away, and many are searched. A row
// without a name goes when the form is saved, so to take one away is to empty its name, which it keeps to come back with.
class PriceTable extends HTMLElement {
  connectedCallback() {
    if (this.body) return;
    this.body = this.querySelector("tbody");
    this.addEventListener("click", ({ target }) => {
      const button = target.closest("button[type=button]");
      if (button?.closest("tbody")) this.takeOut(button.closest("tr"));
      else if (button) this.add();
    });
    this.addEventListener("input", ({ target }) => {
      if (target.type === "search") this.search(target.value);
      else this.tell(target.closest("tr"));
    });
    // It stands in the form, and would send it.
    this.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.type === "search") event.preventDefault();
    });
    for (const row of this.body.rows) this.tell(row);
  }

  fields = (row) => [...row.querySelectorAll("input")];

  add() {
    const last = this.body.rows[this.body.rows.length - 1];
    const free = [...this.body.rows].find((row) => this.fields(row).every(({ value }) => value === ""));
    const row = free ?? last.cloneNode(true);
    if (!free) {
      this.empty(row, this.body.rows.length);
      this.body.append(row);
      this.tell(row);
    }
    row.hidden = false;
    this.fields(row)[1].focus();
  }

  /** What a copy has of the row that it was made from. */
  empty(row, at) {
    for (const why of row.querySelectorAll(".why")) why.remove();
    for (const el of row.querySelectorAll("input, button")) {
      if (el.id) el.id = el.id.replace(/-\d+-(\w+)$/, `-${at}-$1`);
      el.setAttribute("aria-label", el.ariaLabel?.replace(/row .*/, `row ${at + 1}`) ?? "");
      for (const name of ["value", "aria-invalid", "aria-describedby", "autofocus"]) el.removeAttribute(name);
      if (el.tagName === "INPUT") el.value = "";
    }
  }

  takeOut(row) {
    const [former, name, ...prices] = this.fields(row);
    if (former.value === "") for (const field of [name, ...prices]) field.value = "";
    else if (name.value === "") name.value = row.dataset.name ?? former.value.split("\t")[0];
    else {
      row.dataset.name = name.value;
      name.value = "";
    }
    this.tell(row);
  }

  /** What its button would do. */
  tell(row) {
    const [former, name] = this.fields(row);
    const button = row.querySelector("button");
    const goes = former.value !== "" && name.value.trim() === "";
    row.classList.toggle("goes", goes);
    if (!button) return;
    const words = goes ? "Keep" : "Remove";
    button.textContent = words;
    button.ariaLabel = button.ariaLabel.replace(/^\w+/, words);
  }

  search(part) {
    const wanted = part.trim().toLowerCase();
    for (const row of this.body.rows) {
      const [former, name] = this.fields(row);
      // New rows stay in sight.
      row.hidden =
        former.value !== "" && !`${name.value} ${former.value.split("\t")[0]}`.toLowerCase().includes(wanted);
    }
  }
}
customElements.define("price-table", PriceTable);
