// Needs: what waits for an admin, and nothing else; each with where it is dealt with.
import { modelHref } from "../../../web/parts/model-href.ts";
import { settingHref } from "../../../web/parts/setting-id.ts";
import { ago } from "../../../web/parts/text.tsx";
import { newerIn } from "../../admin/updates.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { pageNodes } from "../../registry/node-list.ts";
import { isOnline } from "../../registry/node-state.ts";
import { getNode } from "../../registry/nodes.ts";
import type { Node } from "../../registry/registry.ts";
import type { NodeRow, NodeStatus } from "../../registry/schema.ts";
import type { LoadNow } from "../../stats/stats.ts";
import type { DashboardDeps } from "../deps.ts";

export type Need = {
  tone: "wait" | "warn" | "bad";
  /** What it is about, where that has a page. A stranger's name, perhaps. */
  about: { href: string; name: string } | null;
  /** Goes on after the name. */
  words: string;
  note: string | null;
  act: { href: string; label: string } | null;
};

type Deps = Pick<
  DashboardDeps,
  "db" | "registry" | "clock" | "admin" | "people" | "mode" | "billing" | "queueLimit" | "presence"
>;

/** Of one kind, those that are named. */
const NAMED = 3;
/** Links broken lately, from which a node is said to flap. */
const FLAPS = 3;
/** Failures one after the other. */
const FAILURES = 3;
const FLAP_MS = 60_000;

/** The gravest first. */
export async function needsOf(deps: Deps, now: LoadNow, lastAudit: { broken: string | null }): Promise<Need[]> {
  const all = await Promise.all([
    storage(deps),
    silent(deps),
    books(deps, lastAudit),
    payouts(deps),
    unserved(deps),
    pending(deps),
    unsteady(deps),
    queues(deps, now),
    prices(deps),
    mail(deps),
    updates(deps),
  ]);
  return all.flat();
}

function storage({ db }: Deps): Need[] {
  const trouble = db.writer.trouble();
  if (trouble === null) return [];
  const words = trouble === "storage_full" ? "The disk is full" : "The database cannot be written";
  return [
    {
      tone: "bad",
      about: null,
      words,
      note: "No new jobs, keys or changes until it can. `infernet doctor` says where it is.",
      act: null,
    },
  ];
}

function silent({ presence, clock, db }: Deps): Need[] {
  // Where nobody can write, nobody says anything; what is wrong then is the storage.
  if (db.writer.trouble() !== null) return [];
  return presence
    .others()
    .filter(({ isSilent }) => isSilent)
    .map(({ id, heardMs }): Need => {
      const words = `Coordinator ${id.slice(0, 8)} says nothing any more`;
      const note = `Last heard of ${ago(clock.nowMs() - heardMs)}. Its asynchronous jobs wait for it; after a day it is forgotten here.`;
      return { tone: "bad", about: null, words, note, act: null };
    });
}

async function books({ admin, billing }: Deps, { broken }: { broken: string | null }): Promise<Need[]> {
  const found: Need[] = [];
  if (broken !== null) {
    const act = { href: "/admin/audit", label: "See it" };
    found.push({ tone: "bad", about: null, words: "The audit log does not hold", note: broken, act });
  }
  const check = billing === "off" ? null : await admin.ledgerCheck({});
  if (check?.ok && check.value.last !== null && !check.value.last.clean) {
    const act = { href: "/admin/money", label: "See it" };
    found.push({ tone: "bad", about: null, words: "The books do not add up", note: "Found by the last check.", act });
  }
  return found;
}

/** Along the partial index of open payouts. */
async function payouts({ db, billing }: Deps): Promise<Need[]> {
  if (billing !== "solana") return [];
  const sql = "select count(*) from payouts where state in ('planned', 'due', 'stuck') and state = 'stuck'";
  const stuck = Number((await db.query(sql, []))[0]?.[0] ?? 0);
  if (stuck === 0) return [];
  const words = stuck === 1 ? "A payout is stuck" : `${stuck} payouts are stuck`;
  return [
    {
      tone: "bad",
      about: null,
      words,
      note: "Their clients' money is not there.",
      act: { href: "/admin/money", label: "Look" },
    },
  ];
}

function unserved({ registry }: Deps): Need[] {
  if (registry.models.size > 0) return [];
  return [
    {
      tone: "warn",
      about: null,
      words: "No model is on offer",
      note: "Clients get an error whatever they ask for. Connect a node, or look why those there are serve nothing.",
      act: { href: "/my/join-tokens", label: "Connect a node" },
    },
  ];
}

async function pending({ db }: Deps): Promise<Need[]> {
  const status: NodeStatus = "pending";
  const rows = await pageNodes({ db }, { status }, { limit: NAMED + 1 });
  const named = await Promise.all(
    rows.slice(0, NAMED).map(async ({ pubkey }) => getNode({ db }, pubkeySchema.parse(pubkey))),
  );
  const needs = named.flatMap((row): Need[] => (row ? [asksToJoin(row)] : []));
  if (rows.length > NAMED) {
    const act = { href: "/admin/nodes", label: "All" };
    needs.push({ tone: "wait", about: null, words: "More nodes ask to join", note: null, act });
  }
  return needs;
}

function asksToJoin({ pubkey, name, address, specs, role }: NodeRow): Need {
  const href = `/nodes/${encodeURIComponent(pubkey)}`;
  const { models } = specs as { models?: unknown };
  const count = Array.isArray(models) ? models.length : 0;
  const what = role === "provider" ? `${count} ${count === 1 ? "model" : "models"}` : role;
  return {
    tone: "wait",
    about: { href, name: name || `${pubkey.slice(0, 8)}…` },
    words: "asks to join",
    note: address === "" ? what : `${what}, from ${address}`,
    act: { href, label: "Review" },
  };
}

function unsteady({ registry, clock }: Deps): Need[] {
  const nowMs = clock.nowMs();
  const found: { node: Node; words: string; note: string; weight: number }[] = [];
  for (const node of registry.nodes.values()) {
    const flaps = Math.max(0, node.flaps - Math.floor((nowMs - node.flappedMs) / FLAP_MS));
    if (flaps >= FLAPS) {
      const note = !isOnline(node) ? "It is away now." : "It gets little work until its link holds.";
      found.push({ node, words: `dropped ${flaps} links lately`, note, weight: flaps * 10 });
    } else if (node.failures >= FAILURES && node.channel !== null) {
      const words = `failed ${node.failures} jobs in a row`;
      found.push({ node, words, note: "It comes last until one goes well.", weight: node.failures });
    }
  }
  found.sort((a, b) => b.weight - a.weight);
  const needs = found.slice(0, NAMED).map(({ node, words, note }): Need => {
    const about = { href: `/nodes/${node.pubkey}`, name: node.name };
    return { tone: "warn", about, words, note, act: null };
  });
  if (found.length > NAMED) {
    const words = `${found.length - NAMED} more nodes are unsteady`;
    const act = { href: "/admin/nodes?state=suspect", label: "All" };
    needs.push({ tone: "warn", about: null, words, note: null, act });
  }
  return needs;
}

function queues({ queueLimit, registry }: Deps, { models, coordinators }: LoadNow): Need[] {
  const limit = queueLimit() * coordinators;
  if (limit === 0) return [];
  return models
    .filter(({ queued }) => queued * 2 >= limit)
    .slice(0, NAMED)
    .map(({ model, queued }): Need => {
      const serving = registry.offersOf(model).length;
      return {
        tone: "warn",
        about: { href: modelHref(model), name: model },
        words: queued >= limit ? "has a full queue" : "has a queue that is half full",
        note: `${serving} ${serving === 1 ? "node serves" : "nodes serve"} it, ${queued} of ${limit} wait`,
        act: { href: settingHref("coordinator.queue_limit"), label: "Limit" },
      };
    });
}

function prices({ registry }: Deps): Need[] {
  let refused = 0;
  for (const node of registry.nodes.values()) if (node.channel !== null && node.refused !== null) refused++;
  if (refused === 0) return [];
  const words = refused === 1 ? "One node asks prices out of bounds" : `${refused} nodes ask prices out of bounds`;
  const act = { href: "/admin/models#prices", label: "See them" };
  return [{ tone: "warn", about: null, words, note: "What they offer is not given to clients.", act }];
}

function mail({ people }: Deps): Need[] {
  if (people.mail !== null || people.settings.signUp !== "open") return [];
  return [
    {
      tone: "warn",
      about: null,
      words: "Sign-up is open, and no mail can be sent",
      note: "Nobody can prove their address or reset a password. Set accounts.smtp_url, or close the sign-up.",
      act: { href: settingHref("accounts.signup"), label: "Sign-up" },
    },
  ];
}

/** Of what was found when somebody asked, until this instance runs it. */
async function updates({ admin }: Deps): Promise<Need[]> {
  const read = await admin.readUpdate({});
  const newer = read.ok ? newerIn(read.value) : null;
  if (!read.ok || newer === null) return [];
  return [
    {
      tone: "wait",
      about: null,
      words: `infernet ${newer.version} is there`,
      note: `Released ${newer.date.slice(0, 10)}; this instance runs ${read.value.version}.`,
      act: { href: "/admin/version", label: "Update" },
    },
  ];
}
