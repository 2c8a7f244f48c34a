// Frames: what travels on a link. A WebSocket text message is a JSON array of frames, in order; each side validates
// every frame with the schemas here and closes the link on the first that does not fit. design.md tells the story.
import { z } from "zod";
import { isDeeper } from "../lib/json-depth.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { BACKEND_KINDS } from "./backend-kinds.ts";
import { COMMANDS, commandArgsSchema, commandEndSchema, commandProgressSchema } from "./commands.ts";
import {
  deltaSchema,
  featureSchema,
  finishReasonSchema,
  isPlain,
  MAX_DELTA_CHARS,
  MAX_INDEX,
  taskSchema,
  type Usage,
  usageSchema,
} from "./generation.ts";
import { modelPricesSchema, pricesSchema } from "./prices.ts";
import { hex32Schema, hex128Schema, uuidSchema } from "./primitives.ts";
import {
  isReceiptsFrame,
  receiptDisputeFrame,
  receiptHeadFrame,
  receiptKeySchema,
  receiptsFrame,
} from "./receipt-frames.ts";
import { nodeTermsSchema, wordSchema } from "./terms.ts";
import { hopsSchema, viaSchema } from "./trail.ts";

/** The WebSocket subprotocol (RFC 6455 §1.9). */
export const LINK_SUBPROTOCOL = "infernet.link.v1";
/** Bytes of output a node may have under way for one attempt before the coordinator grants more. */
export const ATTEMPT_CREDIT_BYTES = 256 * 1024;
/** Largest message, node to coordinator. */
export const MAX_NODE_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Largest message, coordinator to node: a dispatch carries a whole request. */
export const MAX_COORDINATOR_MESSAGE_BYTES = 48 * 1024 * 1024;
export const MAX_FRAMES_PER_MESSAGE = 4096;
/** A node that is dispatched a job and has nothing to send for it by then says `accepted`. */
export const ACCEPT_AFTER_MS = 1000;
/** Each side expects the next step of the handshake within this time. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A node says it is alive this often … */
export const HEARTBEAT_MS = 30_000;
/** … and is offline after this much silence. */
export const SILENCE_MS = 90_000;
export const MAX_MODELS_PER_NODE = 1024;

const shortText = (max: number) => z.string().max(max);
/** A day of a number a second: a lease that cannot be stored uses one up at each try. */
const ATTEMPT_ID = /^[0-9a-f-]{36}\.[1-9][0-9]{0,4}$/;
/** `<job id>.<attempt number>`: names one try of one job on one node and is thereby the fence. */
export const attemptIdSchema = z.string().regex(ATTEMPT_ID);

export const modelOfferSchema = z.object({
  name: z.string().min(1).max(256),
  context_length: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .nullable(),
  digest: z.string().max(128).nullable(),
  loaded: z.boolean().nullable(),
  quantization: shortText(64).nullable(),
  demo: z.boolean(),
  /** What it can be asked for; absent where the backend does not say. */
  tasks: z.array(taskSchema).max(8).optional(),
  /** What it can do beyond text; absent where the backend does not say. */
  features: z.array(featureSchema).max(16).optional(),
  /** Of a backend of kind `infernet`: the coordinators that the way leads through, the nearest first. */
  path: viaSchema.optional(),
  /** Index into `backends`. */
  backend: z.int().min(0).max(63),
});
export type ModelOffer = z.infer<typeof modelOfferSchema>;

export const backendInfoSchema = z.object({
  kind: z.enum(BACKEND_KINDS),
  /** It can continue an assistant message, so another node's unfinished answer can be taken over. */
  continues: z.boolean(),
  healthy: z.boolean(),
  /** Which of `COMMANDS` about models it does; absent where the program is older and does not say. */
  commands: z.array(wordSchema).max(16).optional(),
});
export type BackendInfo = z.infer<typeof backendInfoSchema>;

/** A backend's own measure of what it does, whoever asked it. */
export const backendLoadSchema = z.object({
  running: z.int().min(0).max(1_000_000),
  waiting: z.int().min(0).max(1_000_000),
  /** Share of its key-value cache in use, 0 to 1; null where it does not say. */
  cache: z.number().min(0).max(1).nullable(),
});
export type BackendLoad = z.infer<typeof backendLoadSchema>;

const percentSchema = z.int().min(0).max(100).nullable();
/** How much of the machine is in use, by whomever. Null: not known. */
export const machineLoadSchema = z.object({
  /** Of all GPUs together: percent of the time that they work, and of their memory. */
  gpu: percentSchema,
  gpu_memory: percentSchema,
  /** Of the hottest GPU, °C. */
  temperature: z.int().min(0).max(200).nullable(),
  cpu: percentSchema,
  memory: percentSchema,
});
export type MachineLoad = z.infer<typeof machineLoadSchema>;

export const GPU_VENDORS = ["nvidia", "amd", "apple", "intel", "other"] as const;
export const deviceSchema = z.object({
  os: shortText(64),
  arch: shortText(32),
  cpu: shortText(128),
  cores: z.int().min(0).max(65536),
  memory_mib: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  /** Left where models are kept. */
  disk_free_mib: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  gpus: z
    .array(
      z.object({
        name: shortText(128),
        /** Null where it has none of its own, or does not say. */
        vram_mib: z
          .int()
          .min(0)
          .max(2 ** 31 - 1)
          .nullable(),
        vendor: z.enum(GPU_VENDORS).optional(),
        driver: shortText(64).optional(),
        /** It works in the machine's memory. */
        unified_memory: z.boolean().optional(),
      }),
    )
    .max(64),
});
export type Device = z.infer<typeof deviceSchema>;

/** What a node serves; in `ready` and again in a heartbeat when it changed. */
const servesShape = {
  backends: z.array(backendInfoSchema).max(64),
  models: z.array(modelOfferSchema).max(MAX_MODELS_PER_NODE),
  /** Jobs the node runs side by side. */
  slots: z.int().min(0).max(4096),
  /** µ$ per million tokens, for every model not named in `model_prices`. */
  prices: pricesSchema,
  /** Of models that cost something else. */
  model_prices: modelPricesSchema.optional(),
};

export const helloFrame = z.object({ type: z.literal("hello"), version: shortText(64), nonce: hex32Schema });
export const readyFrame = z.object({
  type: z.literal("ready"),
  sig: hex128Schema,
  join_token: shortText(512).optional(),
  name: shortText(128),
  /** Where the operator says it stands, e.g. "eu-west". */
  region: shortText(64).optional(),
  device: deviceSchema,
  ...servesShape,
  /** What its operator has set; left out by those that take no `configure`. */
  terms: nodeTermsSchema.optional(),
  /** Attempts still kept here, with the count of deltas made so far. */
  attempts: z.array(z.object({ attempt: attemptIdSchema, offset: z.int().min(0) })).max(8192),
});
export const heartbeatFrame = z.object({
  type: z.literal("heartbeat"),
  status: z.enum(["available", "paused", "draining"]),
  /** Why it is not available. */
  reason: shortText(256).optional(),
  running: z.int().min(0).max(8192),
  /** What each backend says of its own load, in the order of `backends`; null where it does not. */
  loads: z.array(backendLoadSchema.nullable()).max(64).optional(),
  machine: machineLoadSchema.optional(),
  /** Present when something changed since the last one. */
  serves: z.object(servesShape).optional(),
  /** Likewise. */
  terms: nodeTermsSchema.optional(),
  /** Present when more is known than was told. */
  device: deviceSchema.optional(),
});
/** The job was taken on; sent only when nothing else says so within `ACCEPT_AFTER_MS`. */
export const acceptedFrame = z.object({ type: z.literal("accepted"), attempt: attemptIdSchema });
export const deltaFrame = z.object({
  type: z.literal("delta"),
  attempt: attemptIdSchema,
  /** Position of the first of `deltas` among the attempt's deltas, from 0. */
  offset: z.int().min(0),
  deltas: z.array(deltaSchema).min(1).max(4096),
  /** Pieces that the backend gave up to the last of `deltas`, joined ones counted apart: about one a token. */
  pieces: z.int().min(0).optional(),
});
export const endFrame = z.object({
  type: z.literal("end"),
  attempt: attemptIdSchema,
  offset: z.int().min(0),
  /** The last deltas, from `offset` on; what came before was sent in delta frames. */
  deltas: z.array(deltaSchema).max(4096),
  /** As in delta frames. */
  pieces: z.int().min(0).optional(),
  /** `refused`: not begun, another node may take it. */
  outcome: z.enum(["completed", "failed", "refused", "cancelled"]),
  finish: z.array(z.object({ index: z.int().min(0).max(MAX_INDEX), reason: finishReasonSchema })).max(MAX_INDEX + 1),
  usage: usageSchema.nullable(),
  error: z.object({ code: shortText(64), message: shortText(4096) }).optional(),
});
export const pongFrame = z.object({ type: z.literal("pong"), n: z.int().min(0) });
export const commandProgressFrame = z.object({
  type: z.literal("command_progress"),
  id: uuidSchema,
  ...commandProgressSchema.shape,
});
export const commandEndFrame = z.object({ type: z.literal("command_end"), id: uuidSchema, ...commandEndSchema.shape });
export type CommandProgressFrame = z.infer<typeof commandProgressFrame>;
export type CommandEndFrame = z.infer<typeof commandEndFrame>;
export type ReadyFrame = z.infer<typeof readyFrame>;
export type HeartbeatFrame = z.infer<typeof heartbeatFrame>;
export type DeltaFrame = z.infer<typeof deltaFrame>;
export type EndFrame = z.infer<typeof endFrame>;

export const welcomeFrame = z.object({
  type: z.literal("welcome"),
  nonce: hex32Schema,
  sig: hex128Schema,
  /** Which of the replicas that share the coordinator's key this is; absent where it is the only one. */
  replica: shortText(64).optional(),
});
/** What the node's operator should know, such as why its models are not offered. */
const noticeSchema = shortText(1024).optional();
/** Answer to `ready`. Attempts that are not to go on are simply not in `resume`. */
export const admittedFrame = z.object({
  type: z.literal("admitted"),
  /** `pending`: held, and given no work until an admin approves it. */
  status: z.enum(["approved", "pending"]),
  /** Send again from this offset on. */
  resume: z.array(z.object({ attempt: attemptIdSchema, offset: z.int().min(0) })).max(8192),
  notice: noticeSchema,
  /** Present where receipts are issued: the node may ask for its own. */
  receipts: receiptKeySchema.optional(),
});
export const dispatchFrame = z.object({
  type: z.literal("dispatch"),
  attempt: attemptIdSchema,
  model: z.string().min(1).max(256),
  /** Absent for a chat. */
  task: taskSchema.optional(),
  /** Where the client named no bound of its own, or less is left of it because another node answered in part. */
  max_tokens: z.int().min(1).optional(),
  /** The answer so far, of another node: to be continued from here, and not repeated. */
  answered: z.string().min(1).optional(),
  /** Of a request that came through other coordinators and goes to yet another: how many, and which. */
  hops: hopsSchema.optional(),
  via: viaSchema.optional(),
  /** The client's request, OpenAI's fields, unknown ones included. */
  body: z.looseObject({ messages: z.array(z.unknown()).optional() }),
});
/** To be answered with `pong` at once: is it there, and how far away. */
export const pingFrame = z.object({ type: z.literal("ping"), n: z.int().min(0) });
/** Sent at least once, and again after a reconnect until its end is acknowledged; the id makes repetition harmless. */
export const commandFrame = z.object({
  type: z.literal("command"),
  id: uuidSchema,
  command: z.enum(COMMANDS),
  args: commandArgsSchema,
});
export const commandCancelFrame = z.object({ type: z.literal("command_cancel"), id: uuidSchema });
/** The command's end is kept by the coordinator. */
export const commandAckFrame = z.object({ type: z.literal("command_ack"), id: uuidSchema });
export const creditFrame = z.object({ type: z.literal("credit"), attempt: attemptIdSchema, bytes: z.int().min(1) });
export const cancelFrame = z.object({ type: z.literal("cancel"), attempt: attemptIdSchema });
/** The end of these attempts is kept by the coordinator: the node may forget them. */
export const ackFrame = z.object({ type: z.literal("ack"), attempts: z.array(attemptIdSchema).min(1).max(8192) });
/** Answer to a heartbeat: a link over which none comes is dead, whatever the socket says. */
export const aliveFrame = z.object({ type: z.literal("alive"), notice: noticeSchema });
/** The coordinator closes the link after this. */
export const errorFrame = z.object({ type: z.literal("error"), code: shortText(64), message: shortText(1024) });
export type WelcomeFrame = z.infer<typeof welcomeFrame>;
export type AdmittedFrame = z.infer<typeof admittedFrame>;
export type DispatchFrame = z.infer<typeof dispatchFrame>;
export type CommandFrame = z.infer<typeof commandFrame>;
export type CommandCancelFrame = z.infer<typeof commandCancelFrame>;
export type CommandAckFrame = z.infer<typeof commandAckFrame>;

export const nodeFrameSchema = z.discriminatedUnion("type", [
  deltaFrame,
  endFrame,
  acceptedFrame,
  heartbeatFrame,
  helloFrame,
  readyFrame,
  pongFrame,
  commandProgressFrame,
  commandEndFrame,
  receiptHeadFrame,
  receiptDisputeFrame,
]);
export type NodeFrame = z.infer<typeof nodeFrameSchema>;
export const coordinatorFrameSchema = z.discriminatedUnion("type", [
  dispatchFrame,
  creditFrame,
  cancelFrame,
  ackFrame,
  aliveFrame,
  welcomeFrame,
  admittedFrame,
  errorFrame,
  pingFrame,
  commandFrame,
  commandCancelFrame,
  commandAckFrame,
  receiptsFrame,
]);
export type CoordinatorFrame = z.infer<typeof coordinatorFrameSchema>;

const nodeMessageSchema = z.array(nodeFrameSchema).min(1).max(MAX_FRAMES_PER_MESSAGE);
const coordinatorMessageSchema = z.array(coordinatorFrameSchema).min(1).max(MAX_FRAMES_PER_MESSAGE);

/** What a message holds, or what is wrong with it in one line. Never throws. */
export const parseNodeMessage = (text: string): Result<NodeFrame[], string> =>
  parse(text, nodeMessageSchema, MAX_NODE_MESSAGE_BYTES, isUsualNodeFrame);
export const parseCoordinatorMessage = (text: string): Result<CoordinatorFrame[], string> =>
  parse(text, coordinatorMessageSchema, MAX_COORDINATOR_MESSAGE_BYTES, isUsualCoordinatorFrame);

/** Deeper than any frame with the deepest request in it … */
const MAX_DEPTH = 128;
/** … which is looked for where parsing it would cost more than looking. */
const LARGE_CHARS = 64 * 1024;

function parse<F>(
  text: string,
  schema: z.ZodType<F[]>,
  maxBytes: number,
  isUsual: (frame: unknown) => frame is F,
): Result<F[], string> {
  if (text.length > maxBytes) return err(`message of ${text.length} characters; at most ${maxBytes} are taken`);
  if (text.length > LARGE_CHARS && isDeeper(text, MAX_DEPTH))
    return err(`message is nested deeper than ${MAX_DEPTH} levels`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err("message is not JSON");
  }
  if (Array.isArray(json) && json.length > 0 && json.length <= MAX_FRAMES_PER_MESSAGE && json.every(isUsual)) {
    return ok(json);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  return err(`frame ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`.slice(0, 300));
}

// The frames of every request and token, checked by hand: several times as fast as the schemas. What is accepted here
// the schemas accept too (a property test holds that); whatever is unusual goes to them.

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isAttempt = (value: unknown): boolean => typeof value === "string" && ATTEMPT_ID.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isTokens = (value: unknown): boolean => isCount(value) && value < 2 ** 31;

function isPlainDelta(delta: unknown): boolean {
  if (!isFields(delta) || !isPlain(delta)) return false;
  return typeof delta.content === "string" && delta.content.length <= MAX_DELTA_CHARS;
}
const arePlainDeltas = (deltas: unknown, atLeast: number): boolean =>
  Array.isArray(deltas) && deltas.length >= atLeast && deltas.length <= 4096 && deltas.every(isPlainDelta);

function isUsualNodeFrame(frame: unknown): frame is NodeFrame {
  if (!isFields(frame) || !isAttempt(frame.attempt) || !isCount(frame.offset)) return false;
  if (frame.type === "delta")
    return (frame.pieces === undefined || isCount(frame.pieces)) && arePlainDeltas(frame.deltas, 1);
  return (
    frame.type === "end" &&
    frame.outcome === "completed" &&
    frame.error === undefined &&
    (frame.pieces === undefined || isCount(frame.pieces)) &&
    arePlainDeltas(frame.deltas, 0) &&
    Array.isArray(frame.finish) &&
    frame.finish.length === 1 &&
    isStopOfFirstChoice(frame.finish[0]) &&
    (frame.usage === null || isUsage(frame.usage))
  );
}

const isStopOfFirstChoice = (finish: unknown): boolean =>
  isFields(finish) && finish.index === 0 && (finish.reason === "stop" || finish.reason === "length");
const isUsage = (usage: unknown): usage is Usage =>
  isFields(usage) && isTokens(usage.prompt_tokens) && isTokens(usage.completion_tokens);

function isUsualCoordinatorFrame(frame: unknown): frame is CoordinatorFrame {
  if (!isFields(frame)) return false;
  if (frame.type === "ack") {
    const { attempts } = frame;
    return Array.isArray(attempts) && attempts.length > 0 && attempts.length <= 8192 && attempts.every(isAttempt);
  }
  if (frame.type === "receipts") return isReceiptsFrame(frame);
  return (
    frame.type === "dispatch" &&
    frame.task === undefined &&
    frame.answered === undefined &&
    frame.hops === undefined &&
    frame.via === undefined &&
    isAttempt(frame.attempt) &&
    typeof frame.model === "string" &&
    frame.model.length > 0 &&
    frame.model.length <= 256 &&
    (frame.max_tokens === undefined || (isCount(frame.max_tokens) && frame.max_tokens > 0)) &&
    isFields(frame.body) &&
    !Array.isArray(frame.body) &&
    Array.isArray(frame.body.messages)
  );
}
