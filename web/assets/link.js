// Opened by a link with a secret behind its #: it goes into the page's forms, and out of the address at once.
const secret = location.hash.slice(1);
if (/^[\w-]{32,128}$/.test(secret)) {
  history.replaceState(null, "", location.pathname + location.search);
  for (const field of document.querySelectorAll("[data-secret]")) field.value = secret;
  for (const part of document.querySelectorAll("[data-with-secret]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-secret]")) part.hidden = true;
}
