// Organisation: a coordinator and a node of its own that may borrow other organisations' pools.
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Output } from "../../src/admin/operations.ts";
import { type Identity, identityOf } from "../../src/identity/keys.ts";
import { toHex } from "../../src/lib/hex.ts";
import type { Pubkey } from "../../src/protocol/primitives.ts";
import { type Client, client } from "./client.ts";
import { ROOT } from "./executable.ts";
import { commandJson, createJoinToken, type Instance } from "./instance.ts";
import { backendsToml, type Stage } from "./stage.ts";

const DEMO_MODEL = join(ROOT, "src/backends/embedded/demo/infernet-demo.gguf");

export type Organisation = {
  coordinator: Instance;
  key: string;
  /** The coordinator's public key. */
  pubkey: Pubkey;
  /** The node's, under which it borrows; known before the node runs. */
  nodeKey: Pubkey;
  node: Identity;
  nodeDirectory: string;
  api(model: string): Client;
};

/** The coordinator, and the node's key; the node is started by `startNode`. */
export async function organisation(stage: Stage, config = ""): Promise<Organisation> {
  const { coordinator, key } = await stage.coordinator(config);
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
  const nodeDirectory = stage.directory("node");
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const node = identityOf(secret);
  if (!node.ok) throw new Error(node.error);
  const file = join(nodeDirectory, "node.key");
  writeFileSync(file, `${toHex(secret)}\n`);
  chmodSync(file, 0o600);
  return {
    coordinator,
    key,
    pubkey,
    nodeKey: node.value.pubkey,
    node: node.value,
    nodeDirectory,
    api: (model) => client(() => coordinator.url, key, model),
  };
}

/** Lets the borrower's node in as a client of the lender. */
export async function lend(stage: Stage, lender: Organisation, borrower: Organisation): Promise<void> {
  const { dataDirectory } = lender.coordinator;
  await commandJson(stage.executable, dataDirectory, ["nodes", "allow", borrower.nodeKey, "--role", "client"]);
}

export type Pool = {
  /** Name of a copy of the demo model that the embedded engine serves. */
  engine?: string;
  /** Addresses of OpenAI-compatible servers. */
  servers?: string[];
  borrows?: Organisation[];
  /** Join tokens of other organisations, for the role client. */
  tokens?: string[];
};

/** Starts the organisation's node with this pool. */
export async function startNode(stage: Stage, of: Organisation, pool: Pool): Promise<Instance> {
  const token = await createJoinToken(stage.executable, of.coordinator);
  let toml = `[node]\njoin_token = "${token}"\n`;
  if (pool.engine !== undefined) toml += '[[node.backends]]\nkind = "embedded"\n';
  toml += backendsToml(pool.servers ?? []);
  for (const { coordinator, pubkey } of pool.borrows ?? []) {
    toml += `[[node.backends]]\nkind = "infernet"\nurl = "${coordinator.url}"\npubkey = "${pubkey}"\n`;
  }
  for (const joinToken of pool.tokens ?? []) {
    toml += `[[node.backends]]\nkind = "infernet"\njoin_token = "${joinToken}"\n`;
  }
  if (pool.engine !== undefined) {
    const file = join(of.nodeDirectory, `${pool.engine}.gguf`);
    copyFileSync(DEMO_MODEL, file);
    toml += `[engine]\nmodels = ["${file}"]\n`;
  }
  return stage.start({ mode: "node", config: toml, dataDirectory: of.nodeDirectory });
}
