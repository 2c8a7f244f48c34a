// Answer: pages and fragments as responses, under one policy: nothing but what this instance serves runs, loads or frames
// them.
import { brotliCompressSync, constants } from "node:zlib";
import type { Markup } from "../../web/parts/markup.ts";

/** No script, style or frame but from here; nothing inline. */
export const POLICY =
  "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
  // The same address answers the page and, to htmx, a part of it.
  vary: "HX-Request-Type, Accept-Encoding, Cookie",
} as const;

/** Below this, compressing saves no packet. */
const WORTH_BYTES = 1_200;
/** For text that is made anew each time: most of the gain for a fraction of the time. */
const QUALITY = 4;

/** htmx wants a part of the page, not all of it: history and boosted links want all. */
export const wantsFragment = ({ headers }: Request): boolean => headers.get("hx-request-type") === "partial";
/** It was asked by htmx, whatever it wants. */
export const isHtmx = ({ headers }: Request): boolean => headers.get("hx-request") === "true";

/** `undo`: a path to be posted to. */
export type Toast = { text: string; kind?: "ok" | "warn" | "bad"; undo?: string };
type More = { status?: number; toast?: Toast; headers?: Record<string, string> };

/** A whole page. */
export async function pageAnswer(request: Request, page: Markup, more: More = {}): Promise<Response> {
  return html(request, `<!doctype html>${await page}`, more);
}

/** A part of a page, as htmx swaps it in; with a toast, that too. */
export async function fragmentAnswer(request: Request, fragment: Markup, more: More = {}): Promise<Response> {
  return html(request, String(await fragment), more);
}

/** Changes nothing in the page but for a toast. */
export const toastAnswer = (request: Request, toast: Toast, status = 200): Response =>
  html(request, "", { status, toast, headers: { "hx-reswap": "none" } });

/**
 * After something was done: to htmx a toast and a new look at `to`, to a plain form that page.
 */
export function doneAnswer(request: Request, to: string, toast?: Toast): Response {
  if (!isHtmx(request)) return new Response(null, { status: 303, headers: { location: to } });
  const more = toast === undefined ? {} : { toast };
  const way = { path: to, target: "#main", select: "#main", swap: "outerHTML" };
  // The page that it was done on, as it is now, is no step to go back from.
  const where = isOn(request, to) ? { ...way, replace: "true" } : way;
  return html(request, "", { ...more, headers: { "hx-location": JSON.stringify(where) } });
}

function isOn({ headers }: Request, to: string): boolean {
  const page = headers.get("hx-current-url") ?? "";
  if (!URL.canParse(page)) return false;
  const { pathname, search } = new URL(page);
  return pathname + search === to;
}

function html(request: Request, text: string, { status = 200, toast, headers = {} }: More): Response {
  const body = new TextEncoder().encode(text);
  const all: Record<string, string> = { ...HEADERS, ...headers };
  if (toast) all["hx-trigger"] = headerOf(toast);
  if (body.byteLength < WORTH_BYTES || !/\bbr\b/.test(request.headers.get("accept-encoding") ?? "")) {
    return new Response(body, { status, headers: all });
  }
  const small = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } });
  return new Response(small, { status, headers: { ...all, "content-encoding": "br" } });
}

/** Of a toast: what refuses a value may quote all of it, and proxies take no headers of many kilobytes. */
const MAX_TOAST = 400;

/** Header values are printable ASCII: what is beyond is escaped in the JSON. */
function headerOf({ text, ...toast }: Toast): string {
  const short = text.length > MAX_TOAST ? `${text.slice(0, MAX_TOAST)}…` : text;
  return JSON.stringify({ toast: { text: short, ...toast } }).replace(/[\u007f-\uffff]/g, escaped);
}
const escaped = (sign: string): string => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
