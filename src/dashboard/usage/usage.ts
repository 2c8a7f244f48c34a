// Usage: `/usage`, what the account used, and `/admin/usage`, what everybody did; and the same as files.

import type { KeyLimit } from "../../../web/pages/usage.tsx";
import { usageAnswer } from "../../http/account/money.ts";
import { keySpend } from "../../http/key-spend.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { usageDays } from "../../stats/usage.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { viewerOf } from "../viewer.ts";

const page = (
  path: string,
  role: "admin" | null,
  summary: string,
  handle: Handle,
  answers = "text/html",
): HttpRoute => ({
  ...{ method: "GET", path, tier: "human", access: "user", summary, answers, handle },
  ...(role === null ? {} : { role }),
});
type Handle = (call: SignedInCall) => Response | Promise<Response>;

export function usageRoutes(deps: DashboardDeps): HttpRoute[] {
  const file = (accountOf: (call: SignedInCall) => string | undefined, format: "csv" | "json"): Handle => {
    return (call) => {
      const query = new URLSearchParams(call.query);
      query.set("format", format);
      return usageAnswer(deps, { request: call.request, query }, accountOf(call));
    };
  };
  const own = ({ human }: SignedInCall) => human.account.id;
  return [
    page("/usage", null, "What the account used.", (call) => usagePage(deps, call, call.human.account.id)),
    page("/usage.csv", null, "The same, as a file.", file(own, "csv"), "text/csv"),
    page("/usage.json", null, "The same, as a file.", file(own, "json"), "application/json"),
    page("/admin/usage", "admin", "What everybody used.", (call) => usagePage(deps, call, null)),
    page(
      "/admin/usage.csv",
      "admin",
      "The same, as a file.",
      file(() => undefined, "csv"),
      "text/csv",
    ),
    page(
      "/admin/usage.json",
      "admin",
      "The same, as a file.",
      file(() => undefined, "json"),
      "application/json",
    ),
  ];
}

/** `accountId` null: everybody's. */
async function usagePage(deps: DashboardDeps, call: SignedInCall, accountId: string | null): Promise<Response> {
  const [{ UsagePage }, { daysOf, usageAsked, usageView }] = await Promise.all([
    import("../../../web/pages/usage.tsx"),
    import("./usage-view.ts"),
  ]);
  const nowMs = deps.clock.nowMs();
  const billing = deps.billing !== "off";
  const asked = usageAsked(call.query, billing);
  const days = daysOf(asked, nowMs);
  const wanted = { ...days, by: asked.group };
  const rows = await (accountId === null ? deps.stats.usage(wanted) : usageDays(deps.db, { accountId, ...wanted }));
  const view = usageView(rows, asked, days);
  const limits = accountId === null ? [] : await limitsOf(deps, accountId, nowMs);
  const viewer = viewerOf(deps, call);
  return pageAnswer(
    call.request,
    UsagePage({ viewer, asked, days, view, limits, billing, nowMs, all: accountId === null }),
  );
}

/** Meters of one page. */
const MOST_LIMITS = 8;

/** Of the account's keys in force that may spend so much only, those that are nearest to it. */
async function limitsOf(deps: DashboardDeps, accountId: string, nowMs: number): Promise<KeyLimit[]> {
  const listed = await deps.admin.listKeys({ account: accountId });
  if (!listed.ok) throw new Error(listed.error.message);
  const limited = listed.value.keys
    .filter(({ revoked_ms, expires_ms }) => revoked_ms === null && (expires_ms === null || expires_ms > nowMs))
    .filter(({ spend_day, spend_total }) => spend_day !== null || spend_total !== null)
    .slice(0, 50);
  const all = limited.map(async ({ id, name, lineage, spend_day: day, spend_total: total }): Promise<KeyLimit[]> => {
    const spend = await keySpend(deps, { lineage, spend: { day, total } });
    return [
      ...(spend.day === null ? [] : [{ key: id, name, of: "today" as const, ...spend.day }]),
      ...(spend.total === null ? [] : [{ key: id, name, of: "in all" as const, ...spend.total }]),
    ];
  });
  const share = ({ used, limit }: KeyLimit) => (limit === 0 ? 1 : used / limit);
  return (await Promise.all(all))
    .flat()
    .sort((a, b) => share(b) - share(a))
    .slice(0, MOST_LIMITS);
}
