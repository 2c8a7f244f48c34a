// llama.cpp: one kind, three servers. The server with one model, its router mode that starts such servers, and
// llama-swap, which does the same for any server; which one it is shows when it is asked what it serves.
import { ok } from "../../lib/result.ts";
import { CONTINUES, type Dialect, type DialectDeps, type ModelActions, UNKNOWN_SERVER } from "./dialect.ts";
import { findInSwap, isSwap, swapActions } from "./llama-swap.ts";
import { findInRouter, isRouter, routerActions } from "./llamacpp-router.ts";
import { llamacppLoad, type ServerFacts, serverFacts } from "./llamacpp-server.ts";
import { type Entry, listOfHealthy, offered, page } from "./model-list.ts";

type Variant = "server" | "router" | "swap";

export function llamacpp(deps: DialectDeps): Dialect {
  const { server } = deps;
  let variant: Variant = "server";
  /** Models in memory, by name, as they were found last; of the server with one model under "". */
  let facts = new Map<string, ServerFacts>();
  /** Names of the one server's model; null while it is not known, or another server checks names itself. */
  let names: Set<string> | null = null;
  const actions: Record<Variant, ModelActions> = {
    server: {},
    router: routerActions(deps),
    swap: swapActions(deps),
  };
  return {
    ...UNKNOWN_SERVER,
    ...CONTINUES,
    embeddingFormat: "base64",
    usageByChoice: true,
    async find(signal) {
      const [listed, props] = await Promise.all([
        listOfHealthy(server, "/v1/models", signal),
        page(server, "/props", signal),
      ]);
      if (!listed.ok) return listed;
      const entries = listed.value;
      variant = await variantOf(deps, entries, props, signal);
      names = null;
      if (variant === "router") {
        const router = await findInRouter(server, entries, props, facts, signal);
        facts = router.facts;
        return ok({ models: router.models, slots: slotsOf(facts) });
      }
      if (variant === "swap") {
        const swap = await findInSwap(server, entries, facts, signal);
        facts = swap.facts;
        return ok({ models: swap.models, slots: slotsOf(facts) });
      }
      const one = await serverFacts(server, props, facts.get(""), signal);
      facts = new Map(one === null ? [] : [["", one]]);
      const models = entries.map((entry) => offered(entry, ownModel(entry, one)));
      names = new Set(models.map(({ name }) => name));
      return ok({ models, slots: one?.slots ?? null });
    },
    // The server with one model answers with it, whatever it is asked for.
    lacks: (model) => names !== null && !names.has(model),
    load: (signal, ours) => llamacppLoad(server, variant, facts, ours, signal),
    actions: () => actions[variant],
  };
}

async function variantOf(
  { server }: DialectDeps,
  entries: readonly Entry[],
  props: Record<string, unknown> | null,
  signal: AbortSignal,
): Promise<Variant> {
  if (entries.some(({ owned_by }) => owned_by === "llama-swap")) return "swap";
  if (isRouter(entries, props)) return "router";
  return entries.length === 0 && props === null && (await isSwap(server, signal)) ? "swap" : "server";
}

/** The server's own name for its model may be the file's path, which is nobody's business: the file's name is enough. */
function ownModel(entry: Entry, facts: ServerFacts | null): Partial<ReturnType<typeof offered>> {
  const path = /[\\/]([^\\/]+?)(?:\.gguf)?$/i.exec(entry.id);
  const isPath = path !== null && (/\.gguf$/i.test(entry.id) || /^[\\/.~]/.test(entry.id));
  return {
    ...(isPath ? { name: path[1] as string } : {}),
    ...facts?.known,
    loaded: facts === null ? true : !facts.sleeping,
  };
}

/** Of all models in memory together; null while there is none. */
function slotsOf(facts: ReadonlyMap<string, ServerFacts>): number | null {
  let sum = 0;
  for (const { slots, sleeping } of facts.values()) if (!sleeping) sum += slots ?? 0;
  return sum > 0 ? sum : null;
}
