// Notes: why a node has no work, or less than it could, in words for those who run it.
import type { Tone } from "../../../web/parts/parts.tsx";
import { duration } from "../../../web/parts/text.tsx";
import { isOnline } from "../../registry/node-state.ts";
import type { Node } from "../../registry/registry.ts";
import type { NodeRow } from "../../registry/schema.ts";
import { sentence } from "../words.ts";

/** `words` may be the node's own, or an admin's. */
export type Note = { tone: Tone; title: string; words: string };

type Row = Pick<NodeRow, "status" | "reason" | "address" | "role" | "lastSeenMs" | "transport" | "maintenance">;

/** What matters most first; none where all is well. */
export function notesOn(row: Row, node: Node | undefined, nowMs: number): Note[] {
  if (row.status === "pending") {
    const from = row.address === null ? "" : ` from ${row.address}`;
    const words = `It registered${from} as ${row.role} and has no work until an admin approves it. If nobody does within a day, it is forgotten.`;
    return [{ tone: "wait", title: "Waits for approval", words }];
  }
  if (row.status === "ejected") {
    const words = row.reason ? `Reason: ${row.reason}` : "Its key is refused until an admin lets it in again.";
    return [{ tone: "bad", title: "Ejected", words }];
  }
  if (row.role !== "provider") return [];
  if (!node || !isOnline(node)) return [offline(row)];
  if (node.channel === null) return [...refusals(row, node), ELSEWHERE];
  return [...refusals(row, node), ...doubts(node, nowMs)];
}

const ELSEWHERE: Note = {
  tone: "ok",
  title: "Linked to another coordinator of this network",
  words: "That one gives it work and knows what it does now. Commands reach it from here too.",
};

function offline({ lastSeenMs, transport }: Row): Note {
  if (lastSeenMs === null) {
    const words = "Its key is allowed. It counts once the machine calls: `infernet start` there.";
    return { tone: "wait", title: "Has not called yet", words };
  }
  const words =
    transport === "worker"
      ? "Its worker has not asked for work. It comes back by itself once the worker runs again."
      : "No sign of it. On the machine, `infernet status` says why, and `infernet start` starts it.";
  return { tone: "warn", title: "Offline", words };
}

function refusals(row: Row, { refused, notice, status, statusReason, congested, backends }: Node): Note[] {
  const notes: Note[] = [];
  if (refused !== null) notes.push({ tone: "bad", title: "Models are not offered", words: refused });
  if (notice !== null && notice !== refused) {
    notes.push({ tone: "warn", title: row.maintenance ? "Under maintenance" : "Has no work", words: notice });
  }
  if (status !== "available") {
    const why = statusReason === null || statusReason === "" ? "" : `${sentence(statusReason)} `;
    const words = `${why}It takes no new jobs; those it has go on to their end.`;
    notes.push({ tone: "wait", title: status === "draining" ? "Drains" : "Paused by the node", words });
  }
  if (congested)
    notes.push({ tone: "warn", title: "Behind", words: "It reads slowly what it is sent; others come first." });
  const ill = backends.filter(({ healthy }) => !healthy);
  if (ill.length > 0) {
    const kinds = [...new Set(ill.map(({ kind }) => kind))].join(", ");
    const words = `What it serves is not offered while its backend does not answer. It is tried again by itself; on the machine, \`infernet doctor\` says what is wrong.`;
    notes.push({ tone: "bad", title: `Backend does not answer: ${kinds}`, words });
  }
  return notes;
}

function doubts({ suspectUntilMs, provingUntilMs, failures, flaps }: Node, nowMs: number): Note[] {
  if (suspectUntilMs > nowMs) {
    const times = failures === 1 ? "once" : `${failures} times in a row`;
    const words = `It failed ${times} lately, so other nodes come first for ${duration(suspectUntilMs - nowMs)} more.`;
    return [{ tone: "warn", title: "Suspect", words }];
  }
  if (provingUntilMs <= nowMs) return [];
  const words = `Its link broke ${flaps === 1 ? "once" : `${flaps} times`} lately, so it gets a little work at first; all of it in ${duration(provingUntilMs - nowMs)}.`;
  return [{ tone: "wait", title: "Proves itself", words }];
}
