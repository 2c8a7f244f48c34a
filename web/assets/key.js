// The visitor's key in the examples of a page: kept for this tab only, and sent nowhere.
{
  const NAME = "example-key";
  const KEY = /^inf_[A-Za-z0-9_-]{8,200}$/;
  const kept = () => {
    try {
      return sessionStorage.getItem(NAME) ?? "";
    } catch {
      return "";
    }
  };
  const keep = (key) => {
    try {
      if (key === "") sessionStorage.removeItem(NAME);
      else sessionStorage.setItem(NAME, key);
    } catch {
      // Storage may be off: it holds until the page is left.
    }
  };
  const fill = (key) => {
    for (const el of document.querySelectorAll("[data-key-as]")) {
      el.dataset.without ??= el.textContent;
      el.textContent = key === "" ? el.dataset.without : el.dataset.keyAs.replace("*", () => key);
    }
  };
  document.addEventListener("DOMContentLoaded", () => fill(kept()));
  fill(kept());
  const field = document.getElementById("key-field");
  if (field) {
    field.value = kept();
    field.addEventListener("input", () => {
      const key = field.value.trim();
      const good = key === "" || KEY.test(key);
      field.setAttribute("aria-invalid", String(!good));
      document.getElementById("key-why").hidden = good;
      if (!good) return;
      keep(key);
      fill(key);
    });
  }
}
