// What HTML cannot do alone: theme, toasts, confirming by name, copying, busy states, times that go on.
const root = document.documentElement;
try {
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
} catch {
  // Storage may be off: the system's theme it is.
}

const isDark = () =>
  root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

const DOES = {
  theme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // It holds until the page is left.
    }
  },
  close: (el) => el.closest(".toast, dialog, .notice").remove(),
  open: (el) => document.getElementById(el.dataset.for).showModal(),
  dismiss: (el) => el.closest("dialog").close(),
  copy(el) {
    const text = el.dataset.text ?? document.getElementById(el.dataset.from).textContent;
    navigator.clipboard?.writeText(text).then(
      () => toast({ text: "Copied" }),
      () => toast({ text: "The browser did not let us copy; mark the text instead", kind: "warn" }),
    );
  },
  stop: (el) => htmx.trigger(document.getElementById(el.dataset.for), "htmx:abort"),
};
document.addEventListener("click", (event) => {
  const el = event.target.closest("[data-do]");
  if (el) DOES[el.dataset.do]?.(el);
});

// Response header HX-Trigger: {"toast":{"text":"Key revoked","kind":"ok","undo":"/ui/…"}}
function toast({ text, kind = "ok", undo }) {
  const shape = document.getElementById("toast-shape");
  const box = shape.content.cloneNode(true).firstElementChild;
  box.classList.add(kind);
  const use = box.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${kind}`));
  box.querySelector("p").textContent = text;
  if (undo) {
    const button = document.createElement("button");
    button.className = "plain";
    button.textContent = "Undo";
    button.setAttribute("hx-post", undo);
    button.setAttribute("hx-swap", "none");
    // Out of sight, and there until it is answered: htmx swaps nothing for an element that is gone.
    button.addEventListener("click", () => {
      box.hidden = true;
    });
    button.addEventListener("htmx:finally:request", () => box.remove());
    box.querySelector("div").after(button);
  }
  document.querySelector(".toasts").append(box);
  if (undo) htmx.process(box);
  // Whoever points at it, or is in it by keyboard, is not done with it; one whose Undo was pressed goes with the answer.
  const goes = () => {
    if (box.hidden) return;
    if (box.matches(":hover, :focus-within")) setTimeout(goes, 2_000);
    else box.remove();
  };
  if (kind === "ok") setTimeout(goes, undo ? 12_000 : 6_000);
}
document.addEventListener("toast", (event) => toast(event.detail));
let unanswered;
document.addEventListener("htmx:error", (event) => {
  if (!event.detail.ctx || event.detail.ctx.sourceElement?.matches("[hx-sse\\:connect]")) return;
  clearTimeout(unanswered);
  unanswered = setTimeout(
    () => toast({ text: "No answer from the server. What you see may be out of date.", kind: "bad" }),
    200,
  );
});
// Firefox and Safari end a page's requests just before it is left: that is no failure, nor one to come back to.
addEventListener("pagehide", () => clearTimeout(unanswered));

// hx-confirm="Eject dune?" data-act="Eject node" [data-name="dune"] [data-what="Its jobs …"]: our dialog, not the
// browser's. With a name, the name is typed.
document.addEventListener("htmx:confirm", (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  if (!ctx.confirm) return;
  event.preventDefault();
  const { name, what = "", act = "Go on", keep = "Keep it" } = ctx.sourceElement.dataset;
  const dialog = document.getElementById("confirm");
  const field = dialog.querySelector("label");
  const box = dialog.querySelector("input");
  const [no, yes] = dialog.querySelectorAll("button");
  dialog.querySelector("h2").textContent = ctx.confirm;
  dialog.querySelector(".what").textContent = what;
  dialog.querySelector("b").textContent = name ?? "";
  field.hidden = name === undefined;
  no.textContent = keep;
  yes.textContent = act;
  box.value = "";
  yes.disabled = name !== undefined;
  box.oninput = () => {
    yes.disabled = box.value !== name;
  };
  // The first button of a form is what Enter means, which would keep it.
  box.onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!yes.disabled) yes.click();
  };
  dialog.onclose = () => (dialog.returnValue === "yes" ? issueRequest() : dropRequest());
  dialog.returnValue = "";
  dialog.showModal();
});

// htmx sets no aria-busy: say it ourselves.
document.addEventListener("htmx:before:request", (event) =>
  event.detail.ctx.target?.setAttribute?.("aria-busy", "true"),
);
document.addEventListener("htmx:finally:request", (event) => event.detail.ctx.target?.removeAttribute?.("aria-busy"));

// Live or stopped, beside the page's head.
const streamState = (live) => {
  const state = document.getElementById("stream-state");
  if (!state) return;
  state.classList.toggle("live", live);
  state.classList.toggle("warn", !live);
  const use = state.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, live ? "#live" : "#warn"));
  const words = live ? "Live" : "Updates stopped";
  if (state.lastElementChild.textContent !== words) state.lastElementChild.textContent = words;
};
document.addEventListener("htmx:sse:after:connection", () => streamState(true));
document.addEventListener("htmx:sse:close", () => streamState(false));
// A stream that cannot be had again; it is tried on.
document.addEventListener("htmx:sse:error", () => streamState(false));
// A browser has six connections to a host for all its tabs (HTTP/1.1). Streams of tabs that nobody looks at are let go by
// htmx; one of a tab that was opened in the background waits until it is looked at.
const WAITING = "[hx-sse\\:connect][hx-trigger~='shown,']";
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && event.detail.ctx.sourceElement?.matches(WAITING)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) for (const el of document.querySelectorAll(WAITING)) htmx.trigger(el, "shown");
});

// <time data-ago>: how long ago, going on; <time data-local>: in the reader's own time zone.
const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];
function ago(seconds) {
  if (seconds < 2) return "now";
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  return `${Math.floor(seconds)} s ago`;
}
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
function tellTimes() {
  const now = Date.now();
  for (const el of document.querySelectorAll("time[data-ago]")) {
    const text = ago(Math.max(0, (now - Date.parse(el.dateTime)) / 1000));
    if (el.textContent !== text) el.textContent = text;
    if (!el.title) el.title = local.format(new Date(el.dateTime));
  }
  for (const el of document.querySelectorAll("time[data-local]:not([title])")) {
    el.title = el.textContent;
    el.textContent = local.format(new Date(el.dateTime));
  }
}
document.addEventListener("DOMContentLoaded", tellTimes);
document.addEventListener("htmx:after:swap", tellTimes);
setInterval(tellTimes, 1_000);

// Enter sends, Shift + Enter makes a line; fields that show their value; what only a script can do appears.
document.addEventListener("keydown", (event) => {
  const area = event.target.closest?.("textarea[data-enter]");
  if (!area || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  area.form.requestSubmit();
});
document.addEventListener("input", (event) => {
  const output = event.target.closest?.("label")?.querySelector("output");
  if (output) output.textContent = event.target.value;
});

// What an address leads into is unfolded: not every browser does it by itself.
const unfold = () => {
  const target = document.getElementById(location.hash.slice(1));
  const fold = target?.closest("details:not([open])");
  if (!fold) return;
  fold.open = true;
  target.scrollIntoView();
};
document.addEventListener("DOMContentLoaded", unfold);
addEventListener("hashchange", unfold);
