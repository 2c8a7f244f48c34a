// Ask coordinator: a node's signed POST below `/api/v1/node/`, and what its coordinator answers.
import { z } from "zod";
import type { Identity } from "../identity/keys.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import type { Clock } from "../lib/clock.ts";
import { readText } from "../lib/read-text.ts";
import type { Pubkey } from "../protocol/primitives.ts";

/** With its pinned key. */
export type NodeCoordinator = { url: string; pubkey: Pubkey };
export type AskDeps = {
  identity: Identity;
  clock: Pick<Clock, "nowMs">;
  random: (bytes: number) => Uint8Array;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  sleep: (ms: number) => Promise<unknown>;
  /** Silence for so long is none; null: as long as it takes. */
  timeoutMs: number | null;
};
export type Asked<S extends z.ZodType> = { path: string; body: object; answer: S };

type NodeErrorCode =
  /** It does not answer. */
  | "away"
  | "not_allowed"
  | "refused"
  /** It answers in another way, or what it says does not hold. */
  | "not_right"
  /** What its owner named cannot be, or nothing is named. */
  | "invalid";

/** Why something that a node wants of a coordinator came to nothing, with the mend. */
export class NodeError extends Error {
  override readonly name = "NodeError";
  readonly code: NodeErrorCode;
  readonly hint: string | undefined;
  constructor(code: NodeErrorCode, message: string, { hint, ...options }: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

const envelope = z.object({ data: z.unknown() });
const errorAnswer = z.object({ error: z.string(), code: z.string().optional() });
/** Far more than all of a node's payouts that have not ended. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Of a refusal's words. */
const MAX_WHY = 512;

/** What it answers. Refusals and silence are thrown as NodeErrors; their words may be the coordinator's. */
export async function askCoordinator<S extends z.ZodType>(
  { timeoutMs, sleep, ...deps }: AskDeps,
  { url, pubkey }: NodeCoordinator,
  { path, body, answer }: Asked<S>,
): Promise<z.output<S>> {
  const send = signedFetch({ ...deps, aud: pubkey, sleep: async (ms) => void (await sleep(ms)) });
  const away = (cause: unknown): never => {
    throw new NodeError("away", `the coordinator at ${url} does not answer`, { cause });
  };
  const address = `${url.replace(/\/+$/, "")}/api/v1/node/${path}`;
  const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const signal = timeoutMs === null ? {} : { signal: AbortSignal.timeout(timeoutMs) };
  const response = await send(address, { ...init, ...signal }).catch(away);
  const said: unknown = await readText(response, MAX_ANSWER_BYTES).then(JSON.parse).catch(away);
  if (response.ok) {
    const read = answer.safeParse(envelope.safeParse(said).data?.data);
    if (read.success) return read.data;
    throw new NodeError(
      "not_right",
      `the coordinator at ${url} answers in another way than this version of infernet expects`,
      { hint: "one of the two is older: `infernet version` here and there" },
    );
  }
  const why = (errorAnswer.safeParse(said).data?.error ?? `status ${response.status}`).slice(0, MAX_WHY);
  const code = response.status === 401 || response.status === 403 ? "not_allowed" : "refused";
  throw new NodeError(code, `the coordinator at ${url} refused: ${why}`);
}
