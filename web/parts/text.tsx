// Text: numbers, money, times, sizes and strangers' names, written one way everywhere.
import { usd } from "../../src/lib/money.ts";
import type { Markup } from "./markup.ts";

/** U+202F, between groups of three digits. */
const THIN = "\u202f";
/** What stands where there is nothing. */
export const NONE = "–";

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);

/** `1 284`; `digits` behind the point. */
export function number(value: number | bigint, digits = 0): string {
  if (typeof value === "number" && !Number.isFinite(value)) return NONE;
  const [whole = "", fraction] = (typeof value === "bigint" ? value.toString() : value.toFixed(digits)).split(".");
  return fraction === undefined ? grouped(whole) : `${grouped(whole)}.${fraction}`;
}

/** µ$ in dollars, exactly, whole groups of digits below each other: `$0.000 712`, `$0.000 710`, `–$4.20`. */
export function dollars(micro: number | bigint): string {
  const amount = BigInt(micro);
  const [whole = "", fraction = ""] = usd(amount < 0n ? -amount : amount).split(".");
  const groups = (fraction.length > 3 ? fraction.padEnd(6, "0") : fraction).replace(/(\d{3})(?=\d)/g, `$1${THIN}`);
  return `${amount < 0n ? "–" : ""}$${grouped(whole)}.${groups}`;
}

/** `184 ms`, `1.92 s`, `4 min 10 s`, `3 h 5 min`, `14 d`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const s = Math.floor(ms / 1_000);
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${number(Math.floor(s / 86_400))} d`;
}

/** The same for a `Figure`: `184` with a small `ms`. Null where it is not known. */
export function timed(ms: number | null): { value: string; unit?: string } {
  if (ms === null) return { value: NONE };
  const [value = NONE, ...unit] = duration(Math.max(0, ms)).split(" ");
  return unit.length === 1 ? { value, unit: unit[0] ?? "" } : { value: [value, ...unit].join(" ") };
}

const SIZES = ["B", "kB", "MB", "GB", "TB"];
/** `20.2 GB`. */
export function size(bytes: number): string {
  let at = 0;
  let left = bytes;
  while (left >= 1_000 && at < SIZES.length - 1) {
    left /= 1_000;
    at++;
  }
  return `${number(left, at === 0 || left >= 100 ? 0 : 1)} ${SIZES[at]}`;
}

/** Characters of a name that is shown. */
const MAX_NAME = 64;
/** Controls, and what turns text around or hides it (Unicode TR 36 §3): categories Cc, Cf, Zl, Zp and lone surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** A name that a stranger gave, as it may be shown: one line, nothing invisible, at most `max` characters. */
export function plainName(name: string, max = MAX_NAME): string {
  const kept = name
    .slice(0, max * 4)
    .replace(INVISIBLE, "")
    .trim();
  const signs = [...kept];
  if (signs.length === 0) return "(no name)";
  return signs.length > max ? `${signs.slice(0, max - 1).join("")}…` : kept;
}

/** The same, kept from turning what stands around it. */
export const Name = ({ of, max = MAX_NAME }: { of: string; max?: number }): Markup => <bdi>{plainName(of, max)}</bdi>;

/** What an account is called: the instance's own after it, whatever its name in the books. */
export const accountName = ({ kind, name }: { kind: string; name: string }): string =>
  kind === "local" ? "This instance" : name;

/** How long ago, going on while the page is open. */
export const Ago = ({ ms, nowMs }: { ms: number; nowMs: number }): Markup => (
  <time datetime={new Date(ms).toISOString()} data-ago="">
    {ago(nowMs - ms)}
  </time>
);
export function ago(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1_000));
  if (s < 2) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ago`;
  return `${Math.floor(s / 86_400)} d ago`;
}

/** A moment: UTC until the page puts it into the reader's own time. */
export const When = ({ ms }: { ms: number }): Markup => (
  <time datetime={new Date(ms).toISOString()} data-local="">
    {`${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`}
  </time>
);

export const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** A day (UTC) below a chart: `4 Mar`. */
export function shortDay(ms: number): string {
  const date = new Date(ms);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/** The beginning of an id, by which people tell it apart. */
export const shortId = (id: string): string => id.slice(0, 13);
/** `3f8a…c21e`. */
export const shortKey = (key: string): string => `${key.slice(0, 4)}…${key.slice(-4)}`;
export const plural = (n: number, one: string, many = `${one}s`): string => `${number(n)} ${n === 1 ? one : many}`;
