// Audit: `/admin/audit`: the log of who did what that touches security or money; looked through, verified, taken away.
import type { AuditHead } from "../accounts/audit.ts";
import { AUDIT_ACTIONS } from "../accounts/audit.ts";
import type { AuditFilter } from "../accounts/audit-list.ts";
import type { HttpRoute, SignedInCall } from "../http/routes.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { adminRoute } from "./admin-route.ts";
import { fragmentAnswer, isHtmx, pageAnswer } from "./answer.ts";
import { type AuditEntryView, entryViews } from "./audit/entries.ts";
import { exportAnswer } from "./audit/export.ts";
import type { AuditLook, AuditWatch } from "./audit/watch.ts";
import type { DashboardDeps } from "./deps.ts";
import { hrefWith } from "./query.ts";
import { viewerOf } from "./viewer.ts";

const PATH = "/admin/audit";
const VERIFY = `${PATH}/verify`;
const PAGE = 50;
const DAY_MS = 86_400_000;
/** A look that takes longer is asked after. */
const WAIT_MS = 5_000;

/** As the form has them: dates are days of UTC. */
export type AuditWanted = { actor: string; action: string; subject: string; from: string; to: string };
export type VerifyView = {
  look: AuditLook;
  head: AuditHead;
  /** What was typed, and what is wrong with it. */
  kept: string;
  fault: string | null;
  nowMs: number;
};
export type AuditPageView = {
  wanted: AuditWanted;
  entries: readonly AuditEntryView[];
  newer: string | null;
  older: string | null;
  /** Where these are to be had as JSON lines. */
  exportHref: string;
  /** Of the filter: kinds, and the acts of each. */
  kinds: readonly string[];
  verify: VerifyView;
};

export const auditRoutes = (deps: DashboardDeps, watch: AuditWatch): HttpRoute[] => [
  adminRoute({
    path: PATH,
    summary: "Who did what that touches security or money, the newest first.",
    handle: (call) => page(deps, watch, call, { kept: "", fault: null }),
  }),
  adminRoute({
    path: `${PATH}/export`,
    summary: "The same, all of it, as JSON lines, the oldest first.",
    answers: "application/x-ndjson",
    handle: (call) => exportAnswer(deps.db, filterOf(wantedOf(call))),
  }),
  adminRoute({
    path: VERIFY,
    summary: "What the last look at the log found.",
    handle: (call) =>
      isHtmx(call.request)
        ? card(deps, watch, call, { kept: "", fault: null })
        : new Response(null, { status: 303, headers: { location: `${PATH}#verify-card` } }),
  }),
  adminRoute({
    method: "POST",
    path: VERIFY,
    summary: "Looks whether the log holds; with `kept`, a head that was kept, whether it still contains that.",
    handle: (call) => verify(deps, watch, call),
  }),
];

const MAX_TEXT = 256;
function wantedOf({ query }: SignedInCall): AuditWanted {
  const text = (name: string) => (query.get(name) ?? "").slice(0, MAX_TEXT).trim();
  return { actor: text("actor"), action: text("action"), subject: text("subject"), from: text("from"), to: text("to") };
}
function filterOf({ actor, action, subject, from, to }: AuditWanted): Omit<AuditFilter, "before" | "after"> {
  const [sinceMs, lastMs] = [dayMs(from), dayMs(to)];
  return {
    ...(actor === "" ? {} : { actor }),
    ...(action === "" ? {} : { action }),
    ...(subject === "" ? {} : { subject }),
    ...(sinceMs === null ? {} : { sinceMs }),
    ...(lastMs === null ? {} : { untilMs: lastMs + DAY_MS }),
  };
}
const dayMs = (text: string): number | null => {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) || ms < 0 ? null : ms;
};
const cursorOf = (text: string | null): number | undefined =>
  text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

type Typed = Pick<VerifyView, "kept" | "fault">;

async function page(deps: DashboardDeps, watch: AuditWatch, call: SignedInCall, typed: Typed): Promise<Response> {
  const wanted = wantedOf(call);
  const { sinceMs, untilMs, ...filter } = filterOf(wanted);
  // Lists say `before` of the newer page and `after` of the older: here it is numbers, which go up with time.
  const [up, down] = [cursorOf(call.query.get("before")), cursorOf(call.query.get("after"))];
  const listed = await deps.admin.listAudit({
    ...filter,
    ...(sinceMs === undefined ? {} : { since_ms: sinceMs }),
    ...(untilMs === undefined ? {} : { until_ms: untilMs }),
    limit: PAGE + 1,
    ...(down !== undefined ? { before: Math.max(1, down) } : up !== undefined ? { after: up } : {}),
  });
  if (!listed.ok) throw new Error(listed.error.message);
  const isUp = down === undefined && up !== undefined;
  const isMore = listed.value.entries.length > PAGE;
  const rows = isUp ? listed.value.entries.slice(-PAGE) : listed.value.entries.slice(0, PAGE);
  const [first, last] = [rows[0]?.seq, rows.at(-1)?.seq];
  const cursors = {
    newer: first !== undefined && (isUp ? isMore : down !== undefined) ? String(first) : null,
    older: last !== undefined && (isUp || isMore) ? String(last) : null,
  };
  const { AuditLog } = await import("../../web/pages/audit.tsx");
  const given = Object.entries(wanted).filter(([, value]) => value !== "");
  const view: AuditPageView = {
    ...{ wanted, ...hrefWith(call, cursors) },
    entries: await entryViews(deps, rows),
    exportHref: `${PATH}/export${given.length === 0 ? "" : `?${new URLSearchParams(given)}`}`,
    kinds: AUDIT_ACTIONS,
    verify: await verifyView(deps, watch, typed),
  };
  return pageAnswer(call.request, AuditLog({ viewer: viewerOf(deps, call), view }), {
    status: typed.fault === null ? 200 : 422,
  });
}

async function verifyView({ admin, clock }: DashboardDeps, watch: AuditWatch, typed: Typed): Promise<VerifyView> {
  const head = await admin.auditHead({});
  if (!head.ok) throw new Error(head.error.message);
  return { look: watch.state(), head: head.value, ...typed, nowMs: clock.nowMs() };
}

async function card(deps: DashboardDeps, watch: AuditWatch, call: SignedInCall, typed: Typed): Promise<Response> {
  const { VerifyCard } = await import("../../web/pages/audit.tsx");
  const view = await verifyView(deps, watch, typed);
  const markup = VerifyCard({ view, csrf: call.human.csrf });
  return fragmentAnswer(call.request, markup, { status: typed.fault === null ? 200 : 422 });
}

async function verify(deps: DashboardDeps, watch: AuditWatch, call: SignedInCall): Promise<Response> {
  const kept = new URLSearchParams(call.body()).get("kept") ?? "";
  const head = headIn(kept);
  const answer = isHtmx(call.request) ? card : page;
  if (!head.ok) return answer(deps, watch, call, { kept: kept.slice(0, MAX_TEXT), fault: head.error });
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = deps.clock.after(WAIT_MS, resolve);
  await Promise.race([watch.look(head.value), promise]);
  cancel();
  return answer(deps, watch, call, { kept: "", fault: null });
}

/** `SEQ:HASH`, as it is shown and printed; nothing is none. */
function headIn(text: string): Result<AuditHead | null, string> {
  const trimmed = text.trim();
  if (trimmed === "") return ok(null);
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(trimmed) ?? [];
  if (seq === undefined || hash === undefined) {
    return err("A head is a number, a colon and 64 hex digits, as this page and `infernet audit head` show it.");
  }
  return ok({ seq: Number(seq), hash });
}
