// Jobs: says how many ended since the list was loaded, on a button that loads it anew. The stream's event `ended` counts.
let ended = null;
let seen = null;
/** Those that lived when the page was made; the stream may begin after they ended. */
const lived = [...document.querySelectorAll("#now-rows > tr")].map(({ id }) => id);
/** All that live are shown then, or the newest of them. */
const MOST_SHOWN = 50;
const endedBefore = () => (lived.length < MOST_SHOWN ? lived.filter((id) => !document.getElementById(id)).length : 0);
function tellNews() {
  const button = document.getElementById("news");
  if (!button || ended === null) return;
  // The count begins anew where nobody had looked for a while.
  if (seen === null) seen = ended - endedBefore();
  else if (ended < seen) seen = ended;
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
