// Server: the local chain behind JSON-RPC 2.0 over HTTP, with the faults of a real one. Several may serve one chain.
import { z } from "zod";
import type { LocalChain } from "./chain.ts";
import { createFaults, type Fault, type Faults } from "./faults.ts";
import { stringify } from "./json.ts";
import { call } from "./rpc.ts";
import { INVALID_PARAMS, RpcError } from "./rpc-shapes.ts";

const NODE_BEHIND = -32005;
const requestSchema = z.object({
  id: z.union([z.string(), z.number(), z.null()]).default(null),
  method: z.string(),
  params: z.array(z.unknown()).default([]),
});

export type ChainServer = {
  url: string;
  faults: Faults;
  /** How many calls of each method came in. */
  calls: Map<string, number>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Listens on loopback until disposed. */
export function serveChain(
  chain: LocalChain,
  { port = 0, faults = createFaults() }: { port?: number; faults?: Faults } = {},
): ChainServer {
  const calls = new Map<string, number>();
  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    idleTimeout: 60,
    async fetch(request) {
      if (request.method !== "POST") return new Response("local chain\n");
      const parsed = requestSchema.safeParse(await request.json());
      if (!parsed.success) return Response.json({ error: { code: -32600, message: "Invalid request" } });
      const { id, method, params } = parsed.data;
      calls.set(method, (calls.get(method) ?? 0) + 1);
      if (method === "local_fault") return answer(id, () => addFault(faults, params[0]));
      const fault = faults.strike(method);
      if (fault === "hang") await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      const before = instead(id, fault);
      if (before !== null) return before;
      const done = answer(id, () =>
        hiding(
          fault === "hide-status" && method === "getSignatureStatuses",
          call(chain, method, params, { dropTransactions: fault === "drop" }),
        ),
      );
      return fault === "land-then-timeout" ? new Response("gateway timeout", { status: 504 }) : done;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    faults,
    calls,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

function instead(id: unknown, fault: Fault | undefined): Response | null {
  if (fault === "http503") return new Response("busy", { status: 503 });
  if (fault === "http429") return new Response("too many requests", { status: 429 });
  if (fault === "timeout" || fault === "hang") return new Response("gateway timeout", { status: 504 });
  if (fault !== "node-behind") return null;
  const data = { numSlotsBehind: 200 };
  return json({ jsonrpc: "2.0", id, error: { code: NODE_BEHIND, message: "Node is behind by 200 slots", data } });
}

function hiding(hides: boolean, result: unknown): unknown {
  if (!hides) return result;
  const { context, value } = z.object({ context: z.unknown(), value: z.array(z.unknown()) }).parse(result);
  return { context, value: value.map(() => null) };
}

/** `local_fault [rule | null]`: adds a rule; null clears all. */
function addFault(faults: Faults, rule: unknown): null {
  if (rule === null || rule === undefined) faults.clear();
  else faults.add(rule as Parameters<Faults["add"]>[0]);
  return null;
}

function answer(id: unknown, result: () => unknown): Response {
  try {
    return json({ jsonrpc: "2.0", id, result: result() });
  } catch (fault) {
    return json({ jsonrpc: "2.0", id, error: errorOf(fault) });
  }
}

function errorOf(fault: unknown) {
  if (fault instanceof RpcError) return { code: fault.code, message: fault.message, data: fault.data };
  if (fault instanceof z.ZodError)
    return { code: INVALID_PARAMS, message: `Invalid params: ${z.prettifyError(fault)}` };
  return { code: -32603, message: `Internal error: ${fault instanceof Error ? fault.message : String(fault)}` };
}

const json = (body: unknown): Response =>
  new Response(stringify(body), { headers: { "content-type": "application/json" } });
