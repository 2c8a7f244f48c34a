// infernet nodes list | approve | allow | pool | maintenance | eject
import { type Admin, NODE_ROLES, type NodeRow } from "../../admin/operations.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { pick } from "../values.ts";

export async function list(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { nodes } = await withAdmin(context, config, "nodes list", async (admin) =>
    answerOrThrow(await admin.listNodes({})),
  );
  if (flags.json) printJson(context, { nodes });
  else if (nodes.length === 0) {
    context.terminal.err("No node is known; `infernet join-token create` makes a token that lets one in.\n");
  } else {
    const rows = nodes.map((node) => [
      node.pubkey.slice(0, 16),
      node.name,
      node.role,
      node.status,
      node.online ? standingOf(node) : (relativeTime(node.last_seen_ms, context.nowMs()) ?? "never seen"),
      node.pool,
      `${node.running}/${node.slots}`,
      node.models.join(", "),
    ]);
    const head = ["KEY", "NAME", "ROLE", "STATUS", "SEEN", "POOL", "JOBS", "MODELS"];
    context.terminal.out(table(head, rows, context.terminal.colors));
  }
  return EXIT.good;
}

/** "online", or why it takes no jobs. */
const standingOf = ({ standing, maintenance }: NodeRow): string => {
  if (maintenance) return "maintenance";
  if (standing === null || standing.status === "available") return "online";
  return standing.reason === null ? standing.status : `${standing.status}: ${standing.reason}`;
};

/** Lets in a node that waits; `key` may be the first signs of its public key. */
export const approve = (context: Context, options: GlobalOptions, key: string, flags: { json?: boolean }) =>
  change(context, options, flags, "approve", "approved", async (admin) =>
    answerOrThrow(await admin.approveNode({ pubkey: await knownNode(admin, key) })),
  );

/** Lets a key in that has never called; the whole key is needed. */
export async function allow(
  context: Context,
  options: GlobalOptions,
  key: string,
  flags: { json?: boolean; role: string },
): Promise<ExitCode> {
  const role = NODE_ROLES.find((known) => known === flags.role);
  if (!role)
    throw new CliError(`--role ${JSON.stringify(flags.role)} must be one of ${NODE_ROLES.join(", ")}`, {
      exitCode: EXIT.usage,
    });
  const pubkey = pubkeySchema.safeParse(key.toLowerCase());
  if (!pubkey.success) {
    const hint = "on the node, `infernet status` shows its key";
    throw new CliError(`${JSON.stringify(key)} is no public key (64 hex digits)`, { exitCode: EXIT.usage, hint });
  }
  return change(context, options, flags, "allow", "allowed", async (admin) =>
    answerOrThrow(await admin.allowNode({ pubkey: pubkey.data, role })),
  );
}

/** Says whose requests a node serves. */
export const pool = (context: Context, options: GlobalOptions, key: string, name: string, flags: { json?: boolean }) =>
  change(context, options, flags, "pool", `pool ${harmless(name, 64)}:`, async (admin) =>
    answerOrThrow(await admin.placeNode({ pubkey: await nodeNamed(admin, key), pool: name })),
  );

/** Gives a node no new jobs, or jobs again. */
export async function maintenance(
  context: Context,
  options: GlobalOptions,
  key: string,
  wanted: string,
  flags: { json?: boolean },
): Promise<ExitCode> {
  if (wanted !== "on" && wanted !== "off")
    throw new CliError(`${JSON.stringify(wanted)} must be on or off`, { exitCode: EXIT.usage });
  return change(context, options, flags, "maintenance", `maintenance ${wanted}:`, async (admin) =>
    answerOrThrow(await admin.placeNode({ pubkey: await nodeNamed(admin, key), maintenance: wanted === "on" })),
  );
}

/** By its name, where one node alone has it, else by how its key begins. */
async function nodeNamed(admin: Admin, wanted: string): Promise<Pubkey> {
  const { nodes } = answerOrThrow(await admin.listNodes({}));
  const [only, ...others] = nodes.filter(({ name }) => name === wanted);
  if (only && others.length === 0) return only.pubkey;
  return pick(nodes, (node) => node.pubkey, wanted.toLowerCase(), "node").pubkey;
}

/** Takes a node's work and its way in. */
export const eject = (
  context: Context,
  options: GlobalOptions,
  key: string,
  flags: { json?: boolean; reason?: string },
) =>
  change(context, options, flags, "eject", "ejected", async (admin) => {
    const pubkey = await knownNode(admin, key);
    return answerOrThrow(await admin.ejectNode({ pubkey, ...(flags.reason ? { reason: flags.reason } : {}) }));
  });

async function knownNode(admin: Admin, key: string): Promise<Pubkey> {
  const { nodes } = answerOrThrow(await admin.listNodes({}));
  return pick(nodes, (node) => node.pubkey, key.toLowerCase(), "node").pubkey;
}

async function change(
  context: Context,
  options: GlobalOptions,
  flags: { json?: boolean },
  command: string,
  done: string,
  act: (admin: Admin) => Promise<{ pubkey: Pubkey }>,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const changed = await withAdmin(context, config, `nodes ${command}`, act);
  if (flags.json) printJson(context, changed);
  else context.terminal.out(`${done} ${changed.pubkey}\n`);
  return EXIT.good;
}
