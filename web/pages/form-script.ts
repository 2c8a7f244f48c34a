// Form script: sends the forms of our pages as JSON and says what came of it. It is served as a file of its own: the
// pages allow no other script. A secret in the fragment is taken out of the address at once.

export const FORM_SCRIPT = `"use strict";
const secret = location.hash.slice(1);
if (secret !== "") history.replaceState(null, "", location.pathname + location.search);
const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
for (const one of document.querySelectorAll("[data-with-secret]")) one.hidden = secret === "";
for (const one of document.querySelectorAll("[data-without-secret]")) one.hidden = secret !== "";

async function send(form) {
  const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  const { api, secretField, then, done, show } = form.dataset;
  if (secretField !== undefined && secret !== "") fields[secretField] = secret;
  const headers = { "content-type": "application/json" };
  if (csrf !== undefined) headers["x-csrf-token"] = csrf;
  const response = await fetch(api, { method: "POST", headers, body: JSON.stringify(fields) });
  const answer = await response.json();
  if (!response.ok) return answer.error?.message ?? "something went wrong";
  if (answer.location !== undefined) location.assign(answer.location);
  else if (show !== undefined) return answer[show];
  else if (answer.next === "mail") return "Look into your mail: there is a link to go on with, if the address is right.";
  else if (answer.next === "sign_in") location.assign("/sign-in");
  else if (then !== undefined) location.assign(then);
  return done ?? "";
}

for (const form of document.querySelectorAll("form[data-api]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("[role=status]");
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      said.textContent = await send(form);
    } catch {
      said.textContent = "The answer did not come; try again.";
    }
    button.disabled = false;
  });
}
`;
