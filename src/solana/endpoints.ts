// Endpoints: several RPC URLs as one. A call goes to the first that does well; what fails is asked of the next, and is
// left alone for a while. Only servers of the expected cluster are ever believed.
import {
  createDefaultRpcTransport,
  isSolanaError,
  type RpcTransport,
  SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR,
} from "@solana/web3.js";
import type { Clock } from "../lib/clock.ts";
import { ChainUnreachable, type EndpointHealth } from "./chain.ts";

const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 60_000;

/** JSON-RPC errors that answer what was asked; every other one tells of the server, and another may know better. */
const ANSWERS = new Set([
  -32_002, // the transaction would fail
  -32_003, // a signature is wrong
  -32_013, // a signature has the wrong length
  -32_015, // the transaction's version is not known
  -32_602, // invalid params
]);

export type EndpointsOptions = { urls: readonly string[]; timeoutMs: number };

export type Endpoints = {
  transport: RpcTransport;
  /** The cluster's genesis hash, once known; servers with another one are not asked. */
  expect(genesisHash: string): void;
  health(): EndpointHealth[];
};

type Endpoint = {
  /** Scheme, host and port: the path may hold a key. */
  origin: string;
  ask: RpcTransport;
  genesisHash: string | null;
  failures: number;
  retryAtMs: number;
  error: string | null;
  answered: boolean;
};

type Request = Parameters<RpcTransport>[0];

export function createEndpoints(clock: Clock, { urls, timeoutMs }: EndpointsOptions): Endpoints {
  let expected: string | null = null;
  const endpoints: Endpoint[] = urls.map((url) => ({
    origin: new URL(url).origin,
    ask: createDefaultRpcTransport({ url }),
    ...{ genesisHash: null, failures: 0, retryAtMs: 0, error: null, answered: false },
  }));

  /** Those that do well first, each group as configured or by when it is due. */
  function order(): Endpoint[] {
    const now = clock.nowMs();
    const resting = endpoints.filter(({ retryAtMs }) => retryAtMs > now);
    const ready = endpoints.filter(({ retryAtMs }) => retryAtMs <= now);
    return [...ready, ...resting.toSorted((a, b) => a.retryAtMs - b.retryAtMs)].filter(
      ({ genesisHash }) => !isOther(genesisHash),
    );
  }

  const isOther = (genesisHash: string | null): boolean =>
    expected !== null && genesisHash !== null && genesisHash !== expected;

  async function askInTime(endpoint: Endpoint, { payload, signal }: Request): Promise<unknown> {
    const timeout = new AbortController();
    const cancel = clock.after(timeoutMs, () => timeout.abort(new Error(`no answer in ${timeoutMs} ms`)));
    try {
      const signals = signal ? [signal, timeout.signal] : [timeout.signal];
      const response: unknown = await endpoint.ask({ payload, signal: AbortSignal.any(signals) });
      const fault = serverError(response);
      if (fault !== null) throw new Error(fault);
      return response;
    } finally {
      cancel();
    }
  }

  async function checkCluster(endpoint: Endpoint): Promise<void> {
    if (endpoint.genesisHash !== null || expected === null) return;
    const payload = { jsonrpc: "2.0", id: "genesis", method: "getGenesisHash", params: [] };
    const response = await askInTime(endpoint, { payload });
    const hash = isRecord(response) ? response.result : undefined;
    if (typeof hash !== "string") throw new Error("tells no genesis hash");
    endpoint.genesisHash = hash;
    if (isOther(hash)) throw new Error(`serves another cluster (genesis hash ${hash.slice(0, 44)})`);
  }

  function failed(endpoint: Endpoint, fault: unknown): void {
    endpoint.failures += 1;
    endpoint.error = inWords(fault);
    const backOffMs = Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.min(endpoint.failures - 1, 16));
    endpoint.retryAtMs = clock.nowMs() + backOffMs;
  }

  async function transport<TResponse>(request: Request): Promise<TResponse> {
    const faults: string[] = [];
    for (const endpoint of order()) {
      try {
        await checkCluster(endpoint);
        const response = await askInTime(endpoint, request);
        Object.assign(endpoint, { failures: 0, retryAtMs: 0, error: null, answered: true });
        return response as TResponse;
      } catch (fault) {
        request.signal?.throwIfAborted();
        failed(endpoint, fault);
        faults.push(`${endpoint.origin}: ${endpoint.error}`);
      }
    }
    const others = endpoints
      .filter(({ genesisHash }) => isOther(genesisHash))
      .map(({ origin, error }) => `${origin}: ${error}`);
    throw new ChainUnreachable(`no RPC URL gave an answer (${[...faults, ...others].join("; ")})`);
  }

  const stateOf = ({ genesisHash, failures, answered }: Endpoint): EndpointHealth["state"] => {
    if (isOther(genesisHash)) return "other_cluster";
    if (failures > 0) return "failing";
    return answered ? "ok" : "unknown";
  };

  return {
    transport: transport as RpcTransport,
    expect(genesisHash) {
      expected = genesisHash;
    },
    health: () =>
      endpoints.map((endpoint) => ({
        url: endpoint.origin,
        state: stateOf(endpoint),
        error: endpoint.error,
        retryAtMs: endpoint.failures > 0 && !isOther(endpoint.genesisHash) ? endpoint.retryAtMs : null,
      })),
  };
}

function serverError(response: unknown): string | null {
  if (!isRecord(response)) return "the answer is no JSON-RPC";
  if (!isRecord(response.error)) return "result" in response ? null : "the answer has no result";
  const { code, message } = response.error;
  return ANSWERS.has(Number(code)) ? null : `${String(message).slice(0, 200)} (${Number(code)})`;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function inWords(fault: unknown): string {
  if (isSolanaError(fault, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR)) return `HTTP ${fault.context.statusCode}`;
  return (fault instanceof Error ? fault.message : String(fault)).slice(0, 300);
}
