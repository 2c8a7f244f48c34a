// What each server's refusals mean. llama.cpp's are recorded; the others' are written after their sources.
import { afterEach, describe, expect, test } from "bun:test";
import type { BackendErrorCode } from "../backend.ts";
import { collect } from "../testing/collect.ts";
import { type Route, type ScriptedServer, scriptedServer, streamed } from "../testing/scripted-server.ts";
import type { OpenAiKind } from "./dialect.ts";
import { openAiCompatible } from "./openai-compatible.ts";
import { ERRORS } from "./testing/recorded-llamacpp.ts";

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function refusal(kind: OpenAiKind, answer: Route) {
  const server = scriptedServer({ "POST /v1/chat/completions": answer });
  servers.push(server);
  const { result } = await collect(openAiCompatible({ kind, url: server.url }));
  if (result.ok) throw new Error("no error");
  return result.error;
}

type Case = [what: string, status: number, body: unknown, code: BackendErrorCode, context?: number];
const nested = (message: string, type: string, code: unknown) => ({ error: { message, type, param: null, code } });
const flat = (message: string, code: number) => ({
  object: "error",
  message,
  type: "BadRequestError",
  param: null,
  code,
});

const CASES: Record<OpenAiKind, Case[]> = {
  vllm: [
    ["unknown model", 404, nested("The model `x` does not exist.", "NotFoundError", 404), "model_not_found"],
    [
      "overflow",
      400,
      nested(
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, 100 in the completion). Please reduce the length of the messages or completion.",
        "BadRequestError",
        400,
      ),
      "context_length_exceeded",
      4096,
    ],
    [
      "overflow by max_tokens",
      400,
      nested(
        "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens and your request has 20 input tokens (9000 > 4096 - 20).",
        "BadRequestError",
        400,
      ),
      "context_length_exceeded",
      4096,
    ],
    [
      "overflow found by the engine",
      400,
      nested(
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens.",
        "BadRequestError",
        400,
      ),
      "context_length_exceeded",
      4096,
    ],
    [
      "overflow, flat as in older versions",
      400,
      flat("This model's maximum context length is 4096 tokens.", 400),
      "context_length_exceeded",
      4096,
    ],
    [
      "wrong parameter",
      400,
      nested("temperature must be non-negative, got -1.0.", "BadRequestError", 400),
      "invalid_request",
    ],
    [
      "wrong type",
      422,
      { detail: [{ loc: ["body", "n"], msg: "Input should be a valid integer" }] },
      "invalid_request",
    ],
    [
      "overload",
      503,
      nested("The server is currently overloaded. Please try again later.", "ServiceUnavailable", 503),
      "backend_busy",
    ],
    ["dead engine", 500, nested("EngineCore encountered an issue.", "InternalServerError", 500), "backend_failed"],
    ["wrong key", 401, { error: "Unauthorized" }, "backend_failed"],
  ],
  sglang: [
    [
      "overflow, flat",
      400,
      flat("The input (5000 tokens) is longer than the model's context length (4096 tokens).", 400),
      "context_length_exceeded",
      4096,
    ],
    [
      "overflow by max_tokens",
      400,
      flat(
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5000 tokens: 4900 tokens from the input messages and 100 tokens for the completion.",
        400,
      ),
      "context_length_exceeded",
      4096,
    ],
    ["unknown model", 404, flat("Model 'x' not found", 404), "model_not_found"],
    ["full queue", 503, flat("The request queue is full.", 503), "backend_busy"],
    ["wrong parameter", 400, flat("top_p must be in (0, 1], got 3.0.", 400), "invalid_request"],
  ],
  max: [
    ["full queue", 429, { detail: "The server is at capacity" }, "backend_busy"],
    ["unknown model", 404, { detail: "model 'x' not found" }, "model_not_found"],
    ["wrong parameter", 400, { detail: "temperature must be positive" }, "invalid_request"],
  ],
  llamacpp: [
    ["overflow (recorded)", ...ERRORS.overflow, "context_length_exceeded", 512],
    ["broken JSON, with 500 (recorded)", ...ERRORS.brokenJson, "invalid_request"],
    ["wrong type (recorded)", ...ERRORS.wrongType, "invalid_request"],
    ["no messages (recorded)", ...ERRORS.noMessages, "invalid_request"],
    ["more choices than slots (recorded)", ...ERRORS.tooManyChoices, "invalid_request"],
    ["an image for a model without eyes, with 500 (recorded)", ...ERRORS.image, "invalid_request"],
    ["what it was started without (recorded)", ...ERRORS.noEmbeddings, "invalid_request"],
    ["an embedding's input over one batch, with 500 (recorded)", ...ERRORS.overBatch, "context_length_exceeded", 512],
    ["wrong key (recorded)", ...ERRORS.noKey, "backend_failed"],
    ["wrong route (recorded)", ...ERRORS.noRoute, "backend_failed"],
    ["loading (recorded)", ...ERRORS.loading, "backend_busy"],
    ["router: unknown model (recorded)", ...ERRORS.routerUnknown, "model_not_found"],
    [
      "llama-swap: unknown model",
      404,
      { error: "no router for requested model", src: "llama-swap" },
      "model_not_found",
    ],
    [
      "llama-swap: upstream gone",
      502,
      { error: "upstream command exited prematurely", src: "llama-swap" },
      "backend_failed",
    ],
    ["llama-swap: too many at once", 429, { error: "Too many requests", src: "llama-swap" }, "backend_busy"],
  ],
  exo: [
    ["no instance", 404, nested("No instance found for model x", "Not Found", 404), "model_not_found"],
    ["no instance, in older versions", 404, { detail: "No instance found for model x" }, "model_not_found"],
    ["fault", 500, nested("Internal server error", "Internal Server Error", 500), "backend_failed"],
  ],
  openai: [
    [
      "overflow",
      400,
      nested(
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        "invalid_request_error",
        "context_length_exceeded",
      ),
      "context_length_exceeded",
      8192,
    ],
    [
      "unknown model",
      404,
      nested(
        "The model `x` does not exist or you do not have access to it.",
        "invalid_request_error",
        "model_not_found",
      ),
      "model_not_found",
    ],
    ["rate limit", 429, nested("Rate limit reached", "requests", "rate_limit_exceeded"), "backend_busy"],
    ["no credit", 402, nested("Insufficient balance", "billing", null), "backend_failed"],
    [
      "overflow's code alone",
      400,
      nested("bad", "invalid_request_error", "context_length_exceeded"),
      "invalid_request",
    ],
    ["overflow's words without a size", 400, nested("set the context size", "x", null), "invalid_request"],
    [
      "overflow's words with another status",
      500,
      nested("maximum context length is 4096", "x", null),
      "backend_failed",
    ],
    ["wrong route", 404, { detail: "Not Found" }, "backend_failed"],
    ["redirect", 302, {}, "backend_failed"],
  ],
};

for (const [kind, cases] of Object.entries(CASES)) {
  describe(`refusals of ${kind}`, () => {
    for (const [what, status, body, code, context] of cases) {
      test(what, async () => {
        const error = await refusal(kind as OpenAiKind, () => Response.json(body, { status }));
        expect([error.code, error.contextLength]).toEqual([code, context]);
      });
    }
  });
}

describe("refusals", () => {
  test("markup is not shown: llama-swap answers browsers with HTML", async () => {
    const page = () =>
      new Response("<html><body>could not find a handler for x", {
        status: 404,
        headers: { "content-type": "text/html" },
      });
    expect((await refusal("llamacpp", page)).message).toBe("the backend has no such route (HTTP 404): HTTP 404");
  });

  test("Retry-After is told in milliseconds, as MAX says it", async () => {
    const full = (retryAfter: string) => () =>
      Response.json({ detail: "full" }, { status: 429, headers: { "retry-after": retryAfter } });
    expect(await refusal("max", full("1"))).toEqual({ code: "backend_busy", message: "full", retryAfterMs: 1000 });
    for (const nonsense of ["soon", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT"]) {
      expect(await refusal("max", full(nonsense))).toEqual({ code: "backend_busy", message: "full" });
    }
  });

  test("an error inside a stream counts by its own code: MAX's under status 200, vLLM's integers", async () => {
    const inStream = (error: unknown) => () => streamed([`data: ${JSON.stringify(error)}\n\n`, "data: [DONE]\n\n"]);
    const cases: [OpenAiKind, unknown, BackendErrorCode][] = [
      ["max", { error: { message: "queue full", code: 429 } }, "backend_busy"],
      ["max", { error: { message: "internal", type: "server_error" } }, "backend_failed"],
      [
        "vllm",
        nested("This model's maximum context length is 4096 tokens.", "BadRequestError", 400),
        "context_length_exceeded",
      ],
      [
        "sglang",
        flat("The input (5000 tokens) is longer than the model's context length (4096 tokens).", 400),
        "context_length_exceeded",
      ],
      ["exo", nested("No such runner", "InternalServerError", 500), "backend_failed"],
    ];
    for (const [kind, error, code] of cases) expect((await refusal(kind, inStream(error))).code).toBe(code);
  });
});
