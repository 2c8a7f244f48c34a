// View: the settings as their page shows them, in the order of config.toml.
import { inArray } from "drizzle-orm";
import { users } from "../../accounts/schema.ts";
import type { SettingRow } from "../../admin/settings-operations.ts";
import type { SettingGroup } from "../../settings/settings.ts";
import type { DashboardDeps } from "../deps.ts";
import { fieldShown, type SettingFault } from "./typed.ts";

export type SettingView = SettingRow & {
  section: string;
  /** As its field has it. */
  field: ReturnType<typeof fieldShown>;
  /** Who changed it, in words; null where nobody did. */
  changedBy: string | null;
  fault: SettingFault | null;
};
export type SettingsView = {
  /** Those that may change now, by what one wants to do. */
  live: readonly (SettingGroup & { rows: readonly SettingView[] })[];
  /** The others, by table of config.toml. */
  fixed: readonly { section: string; rows: readonly SettingView[] }[];
  billing: DashboardDeps["billing"];
  nowMs: number;
};

type Deps = Pick<DashboardDeps, "admin" | "db" | "mode" | "billing" | "clock">;

/** Has a page of its own. */
const ELSEWHERE = ["aliases"];
/** Of a node: a coordinator alone has none. */
const OF_NODES = ["node", "engine"];

export async function settingsView(deps: Deps, fault: SettingFault | null): Promise<SettingsView> {
  const listed = await deps.admin.listSettings({});
  if (!listed.ok) throw new Error(listed.error.message);
  const rows = listed.value.settings.filter((row) => deps.mode === "both" || !OF_NODES.includes(sectionOf(row.key)));
  const views = await settingViews(deps, rows, fault);
  const here = views.filter(({ live, key }) => live && !ELSEWHERE.includes(key));
  return {
    live: listed.value.groups.flatMap((group) => {
      const rows = group.keys.flatMap((key) => here.find((row) => row.key === key) ?? []);
      return rows.length === 0 ? [] : [{ ...group, rows }];
    }),
    fixed: bySection(views.filter(({ live }) => !live)),
    billing: deps.billing,
    nowMs: deps.clock.nowMs(),
  };
}

/** With the names of who changed them. */
export async function settingViews(
  { db }: Pick<Deps, "db">,
  rows: readonly SettingRow[],
  fault: SettingFault | null,
): Promise<SettingView[]> {
  const ids = rows.flatMap(({ kept }) => (kept?.changed_by.startsWith("user/") ? [kept.changed_by.slice(5)] : []));
  const people =
    ids.length === 0
      ? []
      : await db.read.select({ id: users.id, name: users.name }).from(users).where(inArray(users.id, ids));
  const names = new Map(people.map(({ id, name }) => [`user/${id}`, name]));
  return rows.map((row) => {
    const own = fault?.key === row.key ? fault : null;
    return {
      ...row,
      section: sectionOf(row.key),
      field: fieldShown(row, own),
      changedBy: row.kept && (names.get(row.kept.changed_by) ?? row.kept.changed_by),
      fault: own,
    };
  });
}

const sectionOf = (key: string): string => (key.includes(".") ? key.slice(0, key.indexOf(".")) : "");

function bySection(rows: readonly SettingView[]): { section: string; rows: SettingView[] }[] {
  const all = new Map<string, SettingView[]>();
  for (const row of rows) all.set(row.section, [...(all.get(row.section) ?? []), row]);
  return [...all].map(([section, of]) => ({ section, rows: of }));
}
