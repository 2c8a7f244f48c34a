// `POST /v1/embeddings`: texts in, vectors out.
import { z } from "zod";
import type { Job, JobSpec, Output } from "../../jobs/job.ts";
import type { Delta } from "../../protocol/generation.ts";
import { MAX_INDEX } from "../../protocol/generation.ts";
import { errorResponse } from "../errors.ts";
import { takeLimits } from "../key-limits.ts";
import type { ClientCall } from "../routes.ts";
import { type ChatDeps, cancelWithClient, failure, jobHeaders, refused } from "./chat-completions.ts";
import { costOf, usageOf } from "./chat-output.ts";
import { chatRequestSchema, check, parseJson } from "./chat-request.ts";
import { jobSpec } from "./job-spec.ts";
import { wishFields } from "./wishes.ts";

const MAX_INPUTS = MAX_INDEX + 1;
const MAX_INPUT_CHARS = 4_000_000;
const inputSchema = z.string().min(1, "must not be empty").max(MAX_INPUT_CHARS);
const tokensSchema = z
  .array(z.int().min(0))
  .min(1)
  .max(1024 * 1024);

export const embeddingRequestSchema = z.object({
  model: chatRequestSchema.shape.model,
  input: z.union(
    [
      inputSchema,
      z.array(inputSchema).min(1).max(MAX_INPUTS),
      tokensSchema,
      z.array(tokensSchema).min(1).max(MAX_INPUTS),
    ],
    {
      error: `must be a text, up to ${MAX_INPUTS} texts, or the same as tokens`,
    },
  ),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.int().min(1).max(65_536).nullish(),
  ...wishFields,
});

export async function embeddings(deps: ChatDeps, call: ClientCall): Promise<Response> {
  const bodyJson = await call.body();
  const json = parseJson(bodyJson);
  if (!json.ok) return errorResponse(json.error.code, json.error.message, json.error);
  const request = check(embeddingRequestSchema, json.value);
  if (!request.ok) return errorResponse(request.error.code, request.error.message, request.error);
  const { input, encoding_format: encoding, ...rest } = request.value;
  const lengths = lengthsOf(input);
  // The longest has to fit a node's context; what it says does not matter for that.
  const longest = "x".repeat(Math.max(...lengths));
  const chat = { ...rest, n: null, stream: false, messages: [{ role: "user" as const, content: longest }] };
  const spec: JobSpec = {
    ...jobSpec("chat", chat, bodyJson, call.caller, deps.defaults),
    task: "embedding",
    // Nothing of one request is of use to the next.
    affinity: null,
    choices: lengths.length,
    // Nothing is written: what is shared out is the reading.
    maxTokens: 1,
    defaultMaxTokens: false,
    cost: Math.min(1_000_000, Math.ceil(lengths.reduce((sum, length) => sum + length, 0) / CHARS_PER_TOKEN)),
  };
  const limited = takeLimits(call.caller, spec);
  if (limited) return limited;
  const silenceOver = call.mayBeSilent();
  const response = await embed(deps, call, spec, encoding ?? "float");
  silenceOver();
  return response;
}

async function embed(deps: ChatDeps, call: ClientCall, spec: JobSpec, encoding: "float" | "base64"): Promise<Response> {
  const output = vectors(spec.choices);
  const submitted = await deps.jobs.take(spec, output);
  if (!submitted.ok) return refused(submitted.error, spec);
  const job = submitted.value;
  cancelWithClient(deps, call, job);
  await output.ended;
  if (job.state !== "completed") return failure(job);
  const { prompt_tokens } = usageOf(job);
  const data = output.found().map((embedding, index) => ({
    object: "embedding",
    index,
    embedding: encoding === "base64" ? embedding : floatsOf(embedding),
  }));
  const usage = { prompt_tokens, total_tokens: prompt_tokens, ...costOf(job.charged) };
  const body = { object: "list", data, model: job.model, usage };
  return Response.json(body, { headers: jobHeaders(job) });
}

/** Each input's length, in characters; tokens count as usual ones. */
function lengthsOf(input: z.infer<typeof embeddingRequestSchema>["input"]): number[] {
  if (typeof input === "string") return [input.length];
  if (typeof input[0] === "number") return [CHARS_PER_TOKEN * input.length];
  return (input as (string | number[])[]).map((one) =>
    typeof one === "string" ? one.length : CHARS_PER_TOKEN * one.length,
  );
}
const CHARS_PER_TOKEN = 4;

/** Base64 of little-endian 32-bit floats, as numbers. */
function floatsOf(base64: string): number[] {
  const bytes = Buffer.from(base64, "base64");
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readFloatLE(4 * i));
}

/** Numbers, at least one: JSON has no words for anything else. */
function isVector(base64: string): boolean {
  const floats = floatsOf(base64);
  return floats.length > 0 && floats.every(Number.isFinite);
}

type Vectors = Output & {
  readonly ended: Promise<void>;
  /** By input, those that there are. */
  found(): string[];
};

function vectors(inputs: number): Vectors {
  let byInput = new Map<number, string>();
  const ended = Promise.withResolvers<void>();
  return {
    deltas(_attempt: number, _offset: number, deltas: readonly Delta[]) {
      for (const { index = 0, embedding } of deltas) {
        if (embedding !== undefined && isVector(embedding)) byInput.set(index, embedding);
      }
      return undefined;
    },
    canRestart: () => true,
    restart() {
      byInput = new Map();
    },
    lacking: () => (byInput.size < inputs ? "the node did not answer every input" : undefined),
    end(_job: Job) {
      ended.resolve();
    },
    ended: ended.promise,
    found: () => Array.from({ length: inputs }, (_, i) => byInput.get(i)).filter((one) => one !== undefined),
  };
}
