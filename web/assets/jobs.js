// Jobs: says how many ended since the list was loaded, on a button that loads it anew. The stream's event `ended` counts.
let ended = null;
let seen = null;
function tellNews() {
  const button = document.getElementById("news");
  if (!button || ended === null) return;
  // The count begins anew where nobody had looked for a while.
  if (seen === null || ended < seen) seen = ended;
  const count = ended - seen;
  const words = count === 1 ? "1 new job" : `${count} new jobs`;
  button.hidden = count === 0;
  if (button.textContent !== words) button.textContent = words;
}
document.addEventListener("ended", (event) => {
  ended = Number(event.detail.data);
  tellNews();
});
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.target?.id !== "jobs-list-card") return;
  seen = ended;
  tellNews();
});
