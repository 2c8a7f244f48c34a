// Polling stage: the real engine on a manual clock, and pollers on it.
import type { TestDatabase } from "../../db/test-database.ts";
import { MODEL, NO_LOG, type Stage, type StageOptions, stage } from "../../jobs/testing/stage.ts";
import type { DispatchFrame, ModelOffer } from "../../protocol/frames.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import type { Leased, Served } from "../poll-session.ts";
import { createPollers, type Pollers } from "../pollers.ts";
import type { Node } from "../registry.ts";

export type PollingStage = Stage & { pollers: Pollers };

export function pollingStage(database: TestDatabase, options: StageOptions = {}): PollingStage {
  const on = stage(database, options);
  const pollers = createPollers({ ...on, log: NO_LOG, listener: on.jobs.listener, commands: { lost() {} } });
  return { ...on, pollers };
}

export const pubkeyOf = (index: number): Pubkey => `${index}`.padStart(64, "0") as Pubkey;

const model = (name: string): ModelOffer => ({
  name,
  context_length: null,
  digest: null,
  loaded: null,
  quantization: null,
  demo: false,
  tasks: ["chat"],
  backend: 0,
});

export const served = (pubkey: string, models = [MODEL], continues = false): Served => ({
  holder: pubkey,
  name: `poller ${pubkey.slice(-2)}`,
  device: { os: "", arch: "", cpu: "", cores: 0, memory_mib: 0, gpus: [] },
  backends: [{ kind: "openai", continues, healthy: true }],
  models: models.map(model),
  prices: { input: 0, output: 0 },
});

/** A polling node, from its own side. */
export class SimPoller {
  readonly pubkey: Pubkey;
  private readonly on: PollingStage;
  private readonly continues: boolean;

  constructor(on: PollingStage, index: number, { continues = false }: { continues?: boolean } = {}) {
    this.on = on;
    this.pubkey = pubkeyOf(index);
    this.continues = continues;
  }
  get node(): Node {
    const node = this.on.registry.nodes.get(this.pubkey);
    if (!node) throw new Error("it never came");
    return node;
  }
  /** Any signed request that says what it serves. */
  heartbeat(models?: string[]): this {
    this.on.pollers.serve(this.pubkey, served(this.pubkey, models, this.continues));
    return this;
  }
  async poll(limit = 1, { waitMs = 0, signal = new AbortController().signal } = {}): Promise<DispatchFrame[]> {
    return await this.on.pollers.ask(this.pubkey, limit, waitMs, signal);
  }
  /** Polls, and has exactly one. */
  async one(): Promise<Leased> {
    const [frame, ...more] = await this.poll();
    if (!frame || more.length > 0) throw new Error(`${more.length} too many, or none`);
    return this.leased(frame.attempt);
  }
  leased(id: string): Leased {
    const found = this.on.pollers.find(this.pubkey, id);
    if (!found.ok) throw new Error(found.error);
    return found.value;
  }
  says(leased: Leased, ...texts: string[]) {
    return this.on.pollers.relay(
      leased,
      texts.map((content) => ({ content })),
      texts.length,
    );
  }
}
