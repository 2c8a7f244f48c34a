// Choose nodes: which nodes a command is meant for: one by name or key, the only one there is, or all that are here.
import type { Admin, NodeRow } from "../admin/operations.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { harmless } from "./harmless.ts";
import { answerOrThrow } from "./instance.ts";
import { pick } from "./values.ts";

export type ChosenNode = { pubkey: Pubkey; online: boolean };

/** `wanted`: a name, a public key or its first signs, "all" for those online; left out, the own or the only one. */
export async function chooseNodes(admin: Admin, wanted: string | undefined): Promise<ChosenNode[]> {
  const status = answerOrThrow(await admin.status({}));
  if (status.mode === "node") {
    if (wanted === undefined || wanted === "all" || status.pubkey.startsWith(wanted.toLowerCase()))
      return [{ pubkey: status.pubkey, online: true }];
    throw new CliError("this is a node: it commands nobody but itself", {
      hint: "run the command where the coordinator runs, or leave --node out",
    });
  }
  const { nodes } = answerOrThrow(await admin.listNodes({}));
  const working = nodes.filter(({ role, status: standing }) => role === "provider" && standing === "approved");
  if (working.length === 0) {
    throw new CliError("there is no node yet", { hint: "`infernet join-token create` makes a token that lets one in" });
  }
  if (wanted === "all") return all(working);
  return [wanted === undefined ? theOne(working) : named(working, wanted)];
}

function all(working: readonly NodeRow[]): ChosenNode[] {
  const online = working.filter((node) => node.online);
  if (online.length > 0) return online;
  throw new CliError("no node is online", { hint: "name one with --node: it is told when it is there" });
}

function theOne(working: readonly NodeRow[]): NodeRow {
  const own = working.find((node) => node.own && node.online);
  if (own) return own;
  const [only] = working;
  if (only && working.length === 1) return only;
  const list = working.map(({ name, pubkey }) => `${harmless(name ?? "-", 40)} (${pubkey.slice(0, 16)})`);
  throw new CliError(`there are ${working.length} nodes: ${list.join(", ")}`, {
    exitCode: EXIT.usage,
    hint: "name one, or all of them, with --node NAME, --node KEY or --node all",
  });
}

function named(working: readonly NodeRow[], wanted: string): NodeRow {
  const same = working.filter(({ name }) => name === wanted);
  const [only] = same;
  if (only && same.length === 1) return only;
  if (same.length > 1) {
    const keys = same.map(({ pubkey }) => pubkey.slice(0, 16)).join(", ");
    throw new CliError(`${same.length} nodes are called ${harmless(wanted, 40)}`, { hint: `by key: ${keys}` });
  }
  return pick(working, ({ pubkey }) => pubkey, wanted.toLowerCase(), "node");
}
