// Infernet: the pool of another organisation's coordinator as a backend. Its client API is OpenAI's, so that streaming,
// cancelling and holding back are the openai-compatible adapter's; this file signs, and minds where requests came from.
import { readText } from "../../lib/read-text.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Prices } from "../../protocol/prices.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { markOf, NO_TRAIL, onwards, type Trail, trailHeaders } from "../../protocol/trail.ts";
import type { Backend, BackendError, BackendModel, Emit, GenerateEnd, GenerateRequest } from "../backend.ts";
import { endpoint, type Fetch, MAX_ERROR_BYTES, requestJson } from "../http.ts";
import { UNKNOWN_SERVER } from "../openai-compatible/dialect.ts";
import { generate } from "../openai-compatible/generate.ts";
import { introduce } from "./introduce.ts";
import { dearer, parseLentModels } from "./lent-models.ts";
import { codeIn, refusal } from "./refusal.ts";

/** The node that the backend belongs to, as the upstream coordinator gets to know it. */
export type PeerNode = {
  pubkey: Pubkey;
  /** Under which it registers where it is not known; null: it does not. */
  name: string | null;
  /** A fetch that signs each request with the node's key, for this coordinator and no other. */
  signedFor(coordinator: Pubkey): Fetch;
  /** The coordinators that this node serves: what leads back to one of them is no offer. */
  coordinators: readonly Pubkey[];
  /** What the node asks of them for a model, µ$ per million tokens. */
  priceOf(model: string): Prices;
  /** Told of what its operator should know; the same thing once. */
  notice(message: string): void;
};

export type InfernetOptions = {
  /** The upstream coordinator's address, with or without `/v1`, and its key. */
  url: string;
  coordinator: Pubkey;
  /** Of the upstream, for the role `client`: lets the node in there, once. */
  joinToken?: string | null;
  node: PeerNode;
};

const DIALECT = { ...UNKNOWN_SERVER, embeddingFormat: "base64" } as const;

/** Opens nothing before its first use. Throws TypeError where `url` is no address. */
export function infernet({ url, coordinator, joinToken = null, node }: InfernetOptions): Backend {
  const signed = node.signedFor(coordinator);
  const base = url.replace(/\/v1\/*$/, "");
  const own = onwards(NO_TRAIL, node.coordinators);
  const say = once(node.notice);
  /** Asked with the trail that requests will have: the answer is what those can get. */
  const list = async (signal: AbortSignal): Promise<{ way: Way; answer: Result<unknown, BackendError> }> => {
    const way = passing(signed, own, node.pubkey);
    return { way, answer: await requestJson(endpoint(way.fetch, base, null), "/v1/models", null, signal) };
  };
  /** True where the node was let in. */
  const register = async (name: string, signal: AbortSignal): Promise<boolean> => {
    const standing = await introduce(signed, base, { pubkey: node.pubkey, name, joinToken }, signal);
    if (!standing.ok) say("registration", `registering at the coordinator at ${base} failed: ${standing.error}`);
    return standing.ok && standing.value === "approved";
  };

  return {
    kind: "infernet",
    url: endpoint(signed, base, null).base,
    // Whether an answer is taken up where it broke off depends on the node that the upstream gives it to.
    continues: false,
    slots: () => null,
    async models(signal) {
      let { way, answer } = await list(signal);
      if (way.code === "key_unknown" && node.name !== null && (await register(node.name, signal))) {
        ({ way, answer } = await list(signal));
      }
      if (!answer.ok) return refused(way, answer.error, base, say);
      const lent = parseLentModels(answer.value, coordinator, node.coordinators.map(markOf));
      if (!lent.ok) return lent;
      const tooDear = dearer(lent.value, node.priceOf);
      if (tooDear !== null) say("price", `the coordinator at ${base} ${tooDear}`);
      return ok(lent.value.map(({ model }): BackendModel => model));
    },
    async generate(
      request: GenerateRequest,
      emit: Emit,
      signal: AbortSignal,
    ): Promise<Result<GenerateEnd, BackendError>> {
      const way = passing(signed, request.trail ?? own, node.pubkey);
      const ended = await generate(endpoint(way.fetch, base, null), DIALECT, request, emit, signal);
      return ended.ok ? ended : refused(way, ended.error, base, say);
    },
    close: async () => undefined,
  };
}

/** `code`: of the refusal, as the upstream names it; "" while there is none. */
type Way = { fetch: Fetch; code: string; refusal: BackendError | null };

/** One request's fetch: the trail in its headers, and what the upstream refused it for, in its own code. */
function passing(signed: Fetch, trail: Trail, pubkey: Pubkey): Way {
  const way: Way = {
    code: "",
    refusal: null,
    async fetch(url, init) {
      const headers = { ...(init.headers as Record<string, string>), ...trailHeaders(trail) };
      const response = await signed(url, { ...init, headers });
      if (response.ok) return response;
      const text = await readText(response, MAX_ERROR_BYTES);
      way.code = codeIn(text);
      way.refusal = refusal(response.status, way.code, text, pubkey);
      return new Response(text, response);
    },
  };
  return way;
}

function refused(way: Way, error: BackendError, base: string, say: Say): Result<never, BackendError> {
  if (error.code === "backend_unreachable")
    return err({ ...error, message: `the coordinator at ${base} cannot be reached: ${error.message}` });
  if (error.code === "aborted" || way.refusal === null) return err(error);
  if (way.refusal.code === "backend_failed") say("refusal", way.refusal.message);
  return err(way.refusal);
}

type Say = (about: string, message: string) => void;

/** Passes a message on where it is another than the last one about the same. */
function once(notice: (message: string) => void): Say {
  const last = new Map<string, string>();
  return (about, message) => {
    if (last.get(about) === message) return;
    last.set(about, message);
    notice(message);
  };
}
