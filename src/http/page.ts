// Page: a whole HTML page as an answer, with the headers that keep it from doing anything.
import { createHash } from "node:crypto";
import { STYLE } from "../../web/pages/style.ts";

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** `html`: a page whose forms our own script sends. Its address goes to nobody else; nothing of it is kept. */
export function formPageResponse(html: { toString(): string }, status = 200): Response {
  return new Response(`<!doctype html>${html}`, {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
      "cache-control": "no-store",
    },
  });
}

/** `html`: an element and what is in it. No script runs, nothing is loaded, nobody frames it. */
export function pageResponse(html: { toString(): string }): Response {
  return new Response(`<!doctype html>${html}`, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  });
}
