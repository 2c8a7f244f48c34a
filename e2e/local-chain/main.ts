// A local chain as a process of its own: `bun e2e/local-chain/main.ts --port 8899 [--slot-ms 400] [--mode mempool]`.
// Its first line on stdout is the address it serves.
import { parseArgs } from "node:util";
import { z } from "zod";
import { createLocalChain } from "./chain.ts";
import { serveChain } from "./server.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    /** Milliseconds between blocks; 0: only `local_advance` makes them. */
    "slot-ms": { type: "string", default: "0" },
    mode: { type: "string", default: "instant" },
    genesis: { type: "string", default: "local-chain" },
  },
});
const mode = z.enum(["instant", "mempool"]).parse(values.mode);
const slotMs = z.coerce.number().int().min(0).parse(values["slot-ms"]);
const chain = createLocalChain({ mode, genesis: values.genesis });
const server = serveChain(chain, { port: z.coerce.number().int().min(0).max(65_535).parse(values.port) });
if (slotMs > 0) setInterval(() => chain.advance(1), slotMs);
console.log(server.url);
