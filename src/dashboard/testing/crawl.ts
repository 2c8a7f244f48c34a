// Crawl: follows what pages link to, so that every page is looked at with whatever it can be asked for: filters, sortings,
// next pages, parts and streams. New pages are found by themselves.
import type { HttpRoute } from "../../http/routes.ts";

export type Visit = { route: string; path: string; status: number; text: string };
export type CrawlOptions = {
  routes: readonly HttpRoute[];
  get(path: string): Promise<Response>;
  /** What stands for a parameter of a path, by its name, where no page links to one. */
  examples: Readonly<Record<string, string>>;
  visited?(visit: Visit): void;
  /** Addresses of one route. */
  most?: number;
};

const MOST = 40;
/** A stream that has nothing to say is left. */
const SILENT_MS = 500;

/** Pages, parts of pages and streams. */
export const pageRoutes = (routes: readonly HttpRoute[]): HttpRoute[] =>
  routes.filter(
    ({ method, path, answers }) =>
      method === "GET" && !path.startsWith("/api/") && (answers === "text/html" || answers === "text/event-stream"),
  );

export async function crawl(options: CrawlOptions): Promise<Visit[]> {
  const { examples, visited = () => {}, most = MOST } = options;
  const pages = pageRoutes(options.routes).map((route) => ({ route, matches: matcher(route.path), shapes: new Set() }));
  const visits: Visit[] = [];
  const waiting: string[] = [];
  const offer = (path: string) => {
    const { pathname, searchParams } = new URL(path, "http://x");
    const page = pages.find(({ matches }) => matches.test(pathname));
    const shape = shapeOf(searchParams);
    if (!page || page.shapes.has(shape) || page.shapes.size >= most) return;
    page.shapes.add(shape);
    waiting.push(path);
  };
  const visitAll = async () => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const { pathname } = new URL(path, "http://x");
      const answer = await options.get(path);
      const text = await firstOf(answer);
      const route = pages.find(({ matches }) => matches.test(pathname))?.route.path ?? "";
      const visit = { route, path, status: answer.status, text };
      visits.push(visit);
      visited(visit);
      for (const link of linksIn(text, pathname)) offer(link);
    }
  };
  for (const { route } of pages) if (!/[:*]/.test(route.path)) offer(route.path);
  await visitAll();
  for (const { route, shapes } of pages) {
    if (shapes.size > 0) continue;
    offer(route.path.replace(/:(\w+)|\*/g, (_, name: string | undefined) => examples[name ?? "*"] ?? "x"));
  }
  await visitAll();
  return visits;
}

/** `:name` stands for a part of a path, `*` for the rest. */
const matcher = (path: string): RegExp =>
  new RegExp(
    `^${path
      .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
      .replace(/:\w+/g, "[^/]+")
      .replaceAll("*", ".+")}$`,
  );

/** Two addresses ask for the same in another place where they differ in ids and cursors only. */
function shapeOf(params: URLSearchParams): string {
  const parts = [...params].filter(([, value]) => value !== "");
  return parts
    .map(([name, value]) => (/^[a-z_-]{1,16}$|^\d{1,2}[hd]$/.test(value) ? `${name}=${value}` : name))
    .toSorted()
    .join("&");
}

async function firstOf(answer: Response): Promise<string> {
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream") || !answer.body) return answer.text();
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const silence = setTimeout(() => void reader.cancel(), SILENT_MS);
  while (!text.includes("data:")) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  clearTimeout(silence);
  await reader.cancel();
  return text;
}

/** Every address here that a page names, and what its forms would ask for, a field at a time. */
function linksIn(html: string, base: string): string[] {
  const links = [...html.matchAll(/\s(?:href|hx-get|hx-sse:connect)="([^"#]+)/g)].map(([, link = ""]) =>
    link.replaceAll("&amp;", "&"),
  );
  for (const [form = ""] of html.matchAll(/<form\b(?![^>]*method="post")[\s\S]*?<\/form>/gi)) {
    const action = /^<form[^>]*\s(?:action|hx-get)="([^"]*)"/.exec(form)?.[1] ?? base;
    for (const [field, name, value] of fieldsIn(form)) {
      if (field) links.push(`${action.split("?")[0]}?${new URLSearchParams({ [name]: value })}`);
    }
  }
  return links.flatMap((link) => {
    const url = URL.parse(link, `http://x${base}`);
    return url?.host === "x" ? [url.pathname + url.search] : [];
  });
}

/** Each option of its selections, and a word for each line of text. */
function fieldsIn(form: string): [boolean, string, string][] {
  const fields: [boolean, string, string][] = [];
  for (const [select = "", name = ""] of form.matchAll(/<select[^>]*\sname="([^"]+)"[\s\S]*?<\/select>/g)) {
    for (const [, value = ""] of select.matchAll(/<option[^>]*\svalue="([^"]*)"/g)) fields.push([true, name, value]);
  }
  for (const [input = ""] of form.matchAll(/<input[^>]*>/g)) {
    const name = /\sname="([^"]+)"/.exec(input)?.[1];
    const type = /\stype="([^"]+)"/.exec(input)?.[1] ?? "text";
    const value = /\svalue="([^"]*)"/.exec(input)?.[1] ?? "";
    if (name !== undefined)
      fields.push([type !== "hidden", name, value || (type === "date" ? "2026-01-02" : "example")]);
  }
  return fields;
}
