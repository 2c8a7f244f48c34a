// Operations: everything an operator can ask of an instance, with the shape of question and answer. The local routes,
// the commands that call them and the direct implementation are all typed by this one table.
import { z } from "zod";
import type { Caller } from "../accounts/caller.ts";
import { CLIENT_SCOPES } from "../accounts/key-rights.ts";
import { MAX_RATE } from "../accounts/rate-limits.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { COMMANDS, commandProgressSchema, modelNameSchema } from "../protocol/commands.ts";
import { pubkeySchema, uuidSchema } from "../protocol/primitives.ts";
import { termsChangeSchema } from "../protocol/terms.ts";
import { listInput, listOutput } from "./listing.ts";
import { MONEY_OPERATIONS } from "./money-operations.ts";
import { PAYOUT_OPERATIONS } from "./payout-operations.ts";
import { RECEIPT_OPERATIONS } from "./receipt-operations.ts";
import { SETTINGS_OPERATIONS } from "./settings-operations.ts";
import { STAKE_OPERATIONS } from "./stake-operations.ts";
import { UPDATE_OPERATIONS } from "./update-operations.ts";
import { USER_OPERATIONS } from "./user-operations.ts";

/** Longest name of a key or node, in UTF-16 units. */
const nameSchema = z.string().trim().min(1).max(128);
const idSchema = z.string().min(1).max(64);
const timeMs = z.int().min(0);
/** At most ten years. */
const lifetimeS = z
  .int()
  .min(1)
  .max(10 * 366 * 86_400);
const pubkeyOnly = z.strictObject({ pubkey: pubkeySchema });
const nothing = z.strictObject({});
/** As in `accounts`, of people, organisations and other instances. */
const accountIdSchema = z.string().min(1).max(128);
const ofAccount = z.strictObject({ account: accountIdSchema.optional() });

/** Who a join token or an approval lets in: the `role` of a registration. */
export const NODE_ROLES = ["provider", "aggregator", "client"] as const;
const roleSchema = z.enum(NODE_ROLES);

/** The pool of nodes that serve everybody, as people name it. */
export const PUBLIC = "public";
const POOL_RULE = "has 1 to 64 lower-case letters, digits, - and _, and begins with a letter or digit";
const poolName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, `a pool's name ${POOL_RULE}`);
/** A pool whose nodes only some may use. */
const privatePool = poolName.refine((pool) => pool !== PUBLIC && pool !== "backstop", {
  error: "public and backstop serve everybody: a key needs no right to them",
});

/** A model's name, or how names begin with a `*` behind. */
const modelPattern = z
  .string()
  .trim()
  .min(1)
  .max(256)
  .regex(/^[^*]*\*?$/, "is a model's name, or how names begin with a * behind");
const microUsdAmount = z.int().min(0);

/** Who a key is for: clients, or workers that serve models. */
export const KEY_ROLES = ["client", "operator"] as const;

/** What a client's key may do and use. */
const keyRights = {
  /** None: all that a client may. */
  scopes: z.array(z.enum(CLIENT_SCOPES)).max(CLIENT_SCOPES.length),
  /** Private pools whose nodes its requests may use. */
  pools: z.array(privatePool).max(16),
  /** None: all. */
  models: z.array(modelPattern).max(64),
  /** Null: not limited. */
  requests_per_minute: z.int().min(1).max(MAX_RATE).nullable(),
  tokens_per_minute: z.int().min(1).max(MAX_RATE).nullable(),
  /** µ$, in a day (UTC) and in all. */
  spend_day: microUsdAmount.nullable(),
  spend_total: microUsdAmount.nullable(),
};

/** Of a key of role operator nothing else makes sense. */
const isUnlimited = (key: { [right in keyof typeof keyRights]: readonly unknown[] | number | null }): boolean =>
  [key.scopes, key.models].every((list) => Array.isArray(list) && list.length === 0) &&
  [key.requests_per_minute, key.tokens_per_minute, key.spend_day, key.spend_total].every((limit) => limit === null);

const keyRow = z.object({
  id: z.string(),
  /** Whose it is. */
  account: z.string(),
  name: z.string(),
  role: z.enum(KEY_ROLES),
  /** First signs of the key, to tell keys apart; useless without the rest. */
  prefix: z.string(),
  created_ms: timeMs,
  expires_ms: timeMs.nullable(),
  last_used_ms: timeMs.nullable(),
  revoked_ms: timeMs.nullable(),
  ...keyRights,
  pools: z.array(z.string()),
  models: z.array(z.string()),
  /** Id of the first of the keys that took over from one another: they share their limits. */
  lineage: z.string(),
});
export type KeyRow = z.output<typeof keyRow>;

const joinTokenRow = z.object({
  id: z.string(),
  role: roleSchema,
  /** A note for people. */
  name: z.string().nullable(),
  created_ms: timeMs,
  expires_ms: timeMs,
  state: z.enum(["open", "used", "expired", "revoked"]),
  /** The node it let in. */
  used_by: z.string().nullable(),
  /** Whose the node is then; null: the built-in account's. */
  account: z.string().nullable(),
});
export type JoinTokenRow = z.output<typeof joinTokenRow>;

const nodeStanding = z.object({
  status: z.enum(["available", "paused", "draining"]),
  /** Why it takes no jobs. */
  reason: z.string().nullable(),
});
export type NodeStanding = z.output<typeof nodeStanding>;

const nodeRow = z.object({
  pubkey: pubkeySchema,
  name: z.string().nullable(),
  role: roleSchema,
  status: z.enum(["approved", "pending", "ejected"]),
  /** It holds a link now; false as well where no instance runs. */
  online: z.boolean(),
  /** Whether it takes jobs, and why not; null while it is not online. */
  standing: nodeStanding.nullable(),
  /** It is the node in this very process. */
  own: z.boolean(),
  /** Whose requests it serves: "public", "backstop", or a private pool's name. */
  pool: z.string(),
  /** Given no work until an admin says so. */
  maintenance: z.boolean(),
  /** Where it says it stands; null where it does not. */
  region: z.string().nullable(),
  models: z.array(z.string()),
  slots: z.int().min(0),
  running: z.int().min(0),
  last_seen_ms: timeMs.nullable(),
});
export type NodeRow = z.output<typeof nodeRow>;

const modelRow = z.object({
  name: z.string(),
  nodes: z.int().min(0),
  slots: z.int().min(0),
  running: z.int().min(0),
  /** The largest among the nodes; null where none says. */
  context_length: z.int().min(1).nullable(),
  /** The lowest and the highest prices on offer, µ$ per million tokens. */
  price_input: z.int().min(0),
  price_input_max: z.int().min(0),
  price_output: z.int().min(0),
  price_output_max: z.int().min(0),
  demo: z.boolean(),
});
export type ModelRow = z.output<typeof modelRow>;

/** How commands stand; what stands after `running` is an end. */
export const COMMAND_STATES = ["queued", "running", "completed", "failed", "refused", "cancelled", "expired"] as const;
const commandRow = z.object({
  id: z.string(),
  node: pubkeySchema,
  node_name: z.string().nullable(),
  /** The node is there now. */
  online: z.boolean(),
  command: z.enum(COMMANDS),
  model: z.string().nullable(),
  /** What the node was asked to set; of `configure` only. */
  terms: termsChangeSchema.optional(),
  state: z.enum(COMMAND_STATES),
  /** Somebody wants it stopped, and the node has not said that it did. */
  cancelling: z.boolean(),
  /** How far it is, where the node says so. */
  progress: commandProgressSchema.nullable(),
  error: z.string().nullable(),
  created_ms: timeMs,
  /** When it was last sent to the node; null where it was not. */
  delivered_ms: timeMs.nullable(),
  ended_ms: timeMs.nullable(),
});
export type CommandRow = z.output<typeof commandRow>;
const commandRows = z.object({ commands: z.array(commandRow) });

const statusSchema = z.object({
  /** False where the answer was made from the data directory alone. */
  running: z.boolean(),
  mode: z.enum(["both", "coordinator", "node"]),
  version: z.string(),
  pubkey: pubkeySchema,
  url: z.string().nullable(),
  pid: z.int().nullable(),
  started_ms: timeMs.nullable(),
  nodes: z.object({ online: z.int().min(0), known: z.int().min(0), pending: z.int().min(0) }),
  models: z.array(modelRow),
  jobs: z.object({ queued: z.int().min(0), running: z.int().min(0) }),
  /** Whether the node side takes jobs; null where there is none. */
  node: nodeStanding.nullable(),
  /** Of a node: the coordinators it dials. */
  coordinators: z.array(
    z.object({
      url: z.string(),
      state: z.enum(["connected", "pending", "connecting", "refused"]),
      /** Why it is not connected, in the coordinator's words where it said so; or what is wrong although it is. */
      error: z.string().nullable(),
    }),
  ),
});
export type Status = z.output<typeof statusSchema>;

export type AdminErrorCode =
  /** The input does not fit its shape. */
  | "invalid"
  /** No such key, token or node. */
  | "not_found"
  /** It is in the way of something that is there already. */
  | "conflict"
  /** This instance does not do that, e.g. keys at a node. */
  | "not_available"
  /** The storage is full or busy. */
  | "storage_failed";

/** What happened, to which thing; `hint`: what to do next. */
export type AdminError = { code: AdminErrorCode; message: string; hint?: string | undefined };

export type Operation<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> = {
  method: "GET" | "POST" | "DELETE";
  /** Below LOCAL_PREFIX; `:name` is filled from the input's field of that name. */
  path: string;
  input: I;
  output: O;
};

/** All operations live below this path, in tier `local`. */
export const LOCAL_PREFIX = "/api/v1/local";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

export const OPERATIONS = {
  status: operation("GET", "/status", nothing, statusSchema),
  listModels: operation("GET", "/models", nothing, z.object({ models: z.array(modelRow) })),

  /** The key itself is in this answer only; what is stored is a keyed hash. */
  createKey: operation(
    "POST",
    "/keys",
    z
      .strictObject({
        name: nameSchema,
        /** Whose requests it makes, and who pays for them; left out: the built-in account's. */
        account: accountIdSchema.optional(),
        role: z.enum(KEY_ROLES).default("client"),
        expires_in_s: lifetimeS.optional(),
        scopes: keyRights.scopes.default([]),
        pools: keyRights.pools.default([]),
        models: keyRights.models.default([]),
        requests_per_minute: keyRights.requests_per_minute.default(null),
        tokens_per_minute: keyRights.tokens_per_minute.default(null),
        spend_day: keyRights.spend_day.default(null),
        spend_total: keyRights.spend_total.default(null),
      })
      .refine((key) => key.role === "client" || isUnlimited(key), {
        error: "a key of role operator is for workers: scopes, models and limits are for clients'",
      }),
    z.object({ id: z.string(), key: z.string() }),
  ),
  /** The new key is in this answer only. The old one stays good for the overlap. */
  rotateKey: operation(
    "POST",
    "/keys/:id/rotate",
    z.strictObject({
      id: idSchema,
      account: accountIdSchema.optional(),
      overlap_s: z
        .int()
        .min(0)
        .max(90 * 86_400)
        .default(86_400),
      /** Of the new key; left out: as long as the old one was good for. */
      expires_in_s: lifetimeS.optional(),
    }),
    z.object({ id: z.string(), key: z.string(), old_id: z.string(), old_expires_ms: timeMs }),
  ),
  /** Of one account where it is given. */
  listKeys: operation(
    "GET",
    "/keys",
    z.strictObject({ ...ofAccount.shape, ...listInput }),
    z.object({ keys: z.array(keyRow), ...listOutput }),
  ),
  revokeKey: operation(
    "DELETE",
    "/keys/:id",
    z.strictObject({ id: idSchema, ...ofAccount.shape }),
    z.object({ id: z.string() }),
  ),

  createJoinToken: operation(
    "POST",
    "/join-tokens",
    z.strictObject({
      role: roleSchema.default("provider"),
      name: nameSchema.optional(),
      /** Whose the node will be; left out: the built-in account's. Only for the role provider. */
      account: accountIdSchema.optional(),
      /** Address the node is to dial; left out: the public or own address. */
      url: z.string().max(256).optional(),
      expires_in_s: z
        .int()
        .min(60)
        .max(30 * 86_400)
        .default(86_400),
    }),
    z.object({ id: z.string(), token: z.string(), url: z.string(), expires_ms: timeMs }),
  ),
  /** Of one account where it is given. */
  listJoinTokens: operation("GET", "/join-tokens", ofAccount, z.object({ tokens: z.array(joinTokenRow) })),
  revokeJoinToken: operation(
    "DELETE",
    "/join-tokens/:id",
    z.strictObject({ id: idSchema, ...ofAccount.shape }),
    z.object({ id: z.string() }),
  ),

  listNodes: operation("GET", "/nodes", nothing, z.object({ nodes: z.array(nodeRow) })),
  /** Lets in a node that waits for it. */
  approveNode: operation("POST", "/nodes/:pubkey/approve", pubkeyOnly, pubkeyOnly),
  /** Lets a key in before it has ever called. */
  allowNode: operation(
    "POST",
    "/nodes/:pubkey/allow",
    z.strictObject({ pubkey: pubkeySchema, role: roleSchema.default("provider") }),
    pubkeyOnly,
  ),
  /** Says whose requests a node serves, and whether it has work at all; what is left out stays as it is. */
  placeNode: operation(
    "POST",
    "/nodes/:pubkey/place",
    z.strictObject({ pubkey: pubkeySchema, pool: poolName.optional(), maintenance: z.boolean().optional() }),
    z.object({ pubkey: pubkeySchema, pool: z.string(), maintenance: z.boolean() }),
  ),
  /** Takes a node's work and its way in. */
  ejectNode: operation(
    "POST",
    "/nodes/:pubkey/eject",
    z.strictObject({ pubkey: pubkeySchema, reason: z.string().max(512).optional() }),
    pubkeyOnly,
  ),

  /** Asks a node for something beside inference; it is told when it is there, within a day. */
  issueCommand: operation(
    "POST",
    "/nodes/:pubkey/commands",
    z.strictObject({
      pubkey: pubkeySchema,
      command: z.enum(COMMANDS),
      model: modelNameSchema.optional(),
      terms: termsChangeSchema.optional(),
      /** Whose node it has to be; left out: anybody's. */
      ...ofAccount.shape,
    }),
    commandRow,
  ),
  /** The newest first, at most `limit`. */
  listCommands: operation(
    "GET",
    "/commands",
    z.strictObject({
      /** Left out: of all. */
      node: pubkeySchema.optional(),
      /** The last command of the page before. */
      before: uuidSchema.optional(),
      limit: z.coerce.number().int().min(1).max(200).default(200),
    }),
    commandRows,
  ),
  watchCommands: operation(
    "POST",
    "/commands/watch",
    z.strictObject({ ids: z.array(uuidSchema).min(1).max(256) }),
    commandRows,
  ),
  cancelCommand: operation(
    "POST",
    "/commands/:id/cancel",
    z.strictObject({ id: uuidSchema, ...ofAccount.shape }),
    commandRow,
  ),

  /** Holds the node side of this instance: running jobs may go on for `idle_drain_s`, then other nodes get them. */
  pauseNode: operation(
    "POST",
    "/node/pause",
    z.strictObject({ reason: z.string().trim().min(1).max(128).default("paused by its operator") }),
    nodeStanding,
  ),
  resumeNode: operation("POST", "/node/resume", nothing, nodeStanding),
  /** Of a node: opens its own dashboard in a browser on this machine, once. */
  createDashboardLink: operation(
    "POST",
    "/node/dashboard-link",
    nothing,
    z.object({ link: z.string(), expires_ms: timeMs }),
  ),

  ...USER_OPERATIONS,
  ...RECEIPT_OPERATIONS,
  ...MONEY_OPERATIONS,
  ...PAYOUT_OPERATIONS,
  ...STAKE_OPERATIONS,
  ...SETTINGS_OPERATIONS,
  ...UPDATE_OPERATIONS,

  /** What receivers check the signatures of an account's webhooks with: `whsec_…`; left out: the built-in account's. */
  webhookSecret: operation("GET", "/webhooks/secret", ofAccount, z.object({ secret: z.string() })),

  /** `file`: absolute path on the instance's machine; must not exist. */
  backup: operation(
    "POST",
    "/backup",
    z.strictObject({ file: z.string().min(1).max(4096) }),
    z.object({ file: z.string(), bytes: z.int().min(0) }),
  ),
} as const;

export type OperationName = keyof typeof OPERATIONS;
export type Input<N extends OperationName> = z.input<(typeof OPERATIONS)[N]["input"]>;
export type Output<N extends OperationName> = z.output<(typeof OPERATIONS)[N]["output"]>;

/**
 * All operations as functions. Two implementations: over the local routes (cli), and direct.ts. `by` goes into the audit
 * log; left out, it is whoever uses this machine's commands.
 */
export type Admin = { [N in OperationName]: (input: Input<N>, by?: Caller) => Promise<Result<Output<N>, AdminError>> };

/** The input as its operation takes it, with defaults; or what is wrong with it, in one line. */
export function parseInput<I extends z.ZodType>(
  operation: Operation<I>,
  input: unknown,
): Result<z.output<I>, AdminError> {
  const parsed = operation.input.safeParse(input);
  if (parsed.success) return ok(parsed.data);
  const issues = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message,
  );
  return err({ code: "invalid", message: issues.join("; ") });
}
