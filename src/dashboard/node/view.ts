// View: what a node's own dashboard shows, from the node side of this process.
import type { UpdateState } from "../../admin/update-operations.ts";
import type { Updates } from "../../admin/updates.ts";
import type { Standing } from "../../daemon/care/standing.ts";
import type { EndedAttempt, History, HistoryDay, RunningAttempt } from "../../daemon/history.ts";
import type { Serves } from "../../daemon/serving.ts";
import type { LogLine, LogTail } from "../../lib/log-tail.ts";
import type { Device } from "../../protocol/frames.ts";
import type { EarningsJson } from "../../protocol/payouts.ts";
import { priceOf } from "../../protocol/prices.ts";
import type { Setting, SettingGroup, Settings } from "../../settings/settings.ts";
import { fieldShown, type SettingFault } from "../settings/typed.ts";

/** What is read of the node. */
export type NodeInside = {
  serves(): Serves;
  running(): number;
  states(): readonly {
    label: string;
    state: "connected" | "pending" | "connecting" | "refused";
    error: string | null;
  }[];
  backends(): readonly { kind: string; url: string | null; healthy: boolean }[];
  history: Pick<History, "running" | "recent" | "days">;
  device(): Device;
  own: { standing(): Standing };
};

export type NodeEarnings = readonly { coordinator: string; earnings: EarningsJson | null }[];

export type NodeView = {
  name: string;
  pubkey: string;
  version: string;
  nowMs: number;
  startedMs: number;
  standing: Standing;
  slots: number;
  running: readonly RunningAttempt[];
  recent: readonly EndedAttempt[];
  /** The last 14 days, today last; days of nothing included. */
  days: readonly HistoryDay[];
  /** Share of the last 30 days, or since the first of them, with a coordinator; null before the first minute. */
  uptime: number | null;
  models: readonly {
    name: string;
    context: number | null;
    quantization: string | null;
    demo: boolean;
    loaded: boolean | null;
    input: number;
    output: number;
  }[];
  backends: ReturnType<NodeInside["backends"]>;
  coordinators: ReturnType<NodeInside["states"]>;
  device: Device;
  earnings: NodeEarnings;
  log: readonly LogLine[];
  update: UpdateState;
  /** Why the look at the feed that was just asked for found nothing. */
  updateFault: string | null;
  settings: readonly (Omit<SettingGroup, "keys"> & { rows: readonly NodeSetting[] })[];
};
/** One that its operator changes here. */
export type NodeSetting = Pick<
  Setting,
  "label" | "why" | "allowed" | "kind" | "unit" | "choices" | "nullable" | "min" | "max" | "fixed"
> & {
  key: string;
  default: unknown;
  /** As its field has it. */
  field: ReturnType<typeof fieldShown>;
  fault: SettingFault | null;
  /** A flag or the environment that says what it is. */
  fixedBy: string | null;
};

const SHOWN_ATTEMPTS = 30;
const SHOWN_DAYS = 14;
const UPTIME_DAYS = 30;
const SHOWN_LINES = 100;
const DAY_MS = 86_400_000;

export type ViewDeps = {
  name: string;
  node: string;
  version: string;
  startedMs: number;
  side: NodeInside;
  tail: LogTail;
  settings: Pick<Settings, "find" | "groups">;
  updates: Pick<Updates, "state">;
};

export function nodeView(
  deps: ViewDeps,
  earnings: NodeEarnings,
  nowMs: number,
  fault: SettingFault | null = null,
): NodeView {
  const { side } = deps;
  const serves = side.serves();
  const { history } = side;
  return {
    name: deps.name,
    pubkey: deps.node,
    version: deps.version,
    nowMs,
    startedMs: deps.startedMs,
    standing: side.own.standing(),
    slots: serves.slots,
    running: history.running(),
    recent: history.recent().slice(0, SHOWN_ATTEMPTS),
    days: lastDays(history.days(), nowMs),
    uptime: uptimeOf(history.days(), nowMs),
    models: serves.models.map(({ name, context_length: context, quantization, demo, loaded }) => ({
      ...{ name, context, quantization, demo, loaded },
      ...priceOf(serves, name),
    })),
    backends: side.backends(),
    coordinators: side.states(),
    device: side.device(),
    earnings,
    update: deps.updates.state(),
    updateFault: null,
    settings: nodeSettings(deps.settings, fault),
    log: deps.tail.lines().slice(-SHOWN_LINES),
  };
}

type Groups = ViewDeps["settings"];
const isNodes = (key: string): boolean => key.startsWith("node.");
/** What an operator may change here. */
export const settingKeys = ({ groups }: Groups): string[] => groups.flatMap(({ keys }) => keys.filter(isNodes));

function nodeSettings(settings: Groups, fault: SettingFault | null): NodeView["settings"] {
  return settings.groups.flatMap(({ keys, ...group }) => {
    const found = keys.filter(isNodes).flatMap((key) => settings.find(key) ?? []);
    return found.length === 0 ? [] : [{ ...group, rows: found.map((setting) => nodeSetting(setting, fault)) }];
  });
}

/** `fault`: of any of them. */
export function nodeSetting(setting: Setting, fault: SettingFault | null): NodeSetting {
  const { name: key, label, why, allowed, kind, unit, choices, nullable, min, max, fixed, source } = setting;
  const own = fault?.key === key ? fault : null;
  return {
    ...{ key, label, why, allowed, kind, unit, choices, nullable, min, max, fixed, default: setting.fallback },
    field: fieldShown(setting, own),
    fault: own,
    fixedBy: fixed ? source.where : null,
  };
}

function lastDays(days: readonly HistoryDay[], nowMs: number): HistoryDay[] {
  const today = Math.floor(nowMs / DAY_MS);
  const known = new Map(days.map((one) => [one.day, one]));
  return Array.from({ length: SHOWN_DAYS }, (_, i) => {
    const day = today - SHOWN_DAYS + 1 + i;
    const nothing = { day, online_s: 0, completed: 0, failed: 0, prompt_tokens: 0, completion_tokens: 0 };
    return known.get(day) ?? nothing;
  });
}

/** A node that is new is not held to days before it was there. */
export function uptimeOf(days: readonly HistoryDay[], nowMs: number): number | null {
  const today = Math.floor(nowMs / DAY_MS);
  const counted = days.filter(({ day }) => day > today - UPTIME_DAYS);
  const first = counted[0];
  if (first === undefined) return null;
  const todayS = (nowMs - today * DAY_MS) / 1000;
  // Of its first day it is not known when it came.
  const firstS = first.day === today ? Math.min(first.online_s, todayS) : first.online_s;
  const between = Math.max(0, today - first.day - 1) * (DAY_MS / 1000);
  const possible = firstS + between + (first.day === today ? 0 : todayS);
  const online = counted.reduce((sum, { online_s }) => sum + online_s, 0);
  return possible < 60 ? null : Math.min(1, online / possible);
}
