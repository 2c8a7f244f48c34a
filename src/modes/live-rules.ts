// Live rules: what runs by settings: objects whose fields are read from the configuration whenever they are used, and
// what has to be done when one of them changes.
import type { Config } from "../config.ts";
import type { SpecDefaults } from "../http/openai/job-spec.ts";
import type { JobLimits } from "../jobs/board.ts";
import type { Log, LogLevel } from "../lib/log.ts";
import type { PriceBounds } from "../registry/price-bounds.ts";
import type { Node, Registry } from "../registry/registry.ts";
import type { Settings } from "../settings/settings.ts";

type Of<Section extends keyof Config> = Pick<Config, Section>;

export const limitsOf = ({ coordinator: c }: Of<"coordinator">): JobLimits => ({
  get queueLimit() {
    return c.queue_limit;
  },
  get queueTimeoutMs() {
    return c.queue_timeout_s * 1000;
  },
  get connectTimeoutMs() {
    return c.connect_timeout_s * 1000;
  },
  get firstTokenTimeoutMs() {
    return c.first_token_timeout_s * 1000;
  },
  get betweenTokensTimeoutMs() {
    return c.between_tokens_timeout_s * 1000;
  },
  get stalledReaderTimeoutMs() {
    return c.stalled_reader_timeout_s * 1000;
  },
  get maxAttempts() {
    return c.max_attempts;
  },
  get resumeGraceMs() {
    return c.resume_grace_s * 1000;
  },
});

/** For requests that leave it open. */
export const defaultsOf = ({ coordinator, scheduler, billing }: Of<"coordinator" | "scheduler" | "billing">) =>
  ({
    get maxTokens() {
      return coordinator.default_max_tokens;
    },
    get strategy() {
      return scheduler.strategy;
    },
    get tokensPerImage() {
      return billing.tokens_per_image;
    },
  }) satisfies SpecDefaults;

export const priceBounds = ({ coordinator: c }: Of<"coordinator">): PriceBounds => ({
  get input() {
    return { min: c.price_input_min, max: c.price_input_max };
  },
  get output() {
    return { min: c.price_output_min, max: c.price_output_max };
  },
});

/** What nodes that name no price ask for. */
export const leastPrices = ({ coordinator: c }: Of<"coordinator">) => ({
  get input() {
    return c.price_input_min;
  },
  get output() {
    return c.price_output_min;
  },
});

export type FollowSettingsDeps = {
  log: Log;
  registry: Pick<Registry, "nodes" | "boundAnew">;
  /** There may be work for it now. */
  hasRoom(node: Node): void;
  /** The key for this machine's own clients, made where it is missing. */
  ownKey(): Promise<unknown>;
  setLogLevel(level: LogLevel): void;
};

/** Does what changes need beyond being read, from now on. */
export function followSettings(settings: Pick<Settings, "onChange">, config: Config, deps: FollowSettingsDeps): void {
  const { log, registry } = deps;
  const bounds = () => JSON.stringify(priceBounds(config));
  let before = { bounds: bounds(), needsKey: config.coordinator.require_api_key, level: config.log.level };
  // What was kept from before the start may say otherwise than the file, which the log was opened by.
  deps.setLogLevel(config.log.level);
  settings.onChange(() => {
    const now = { bounds: bounds(), needsKey: config.coordinator.require_api_key, level: config.log.level };
    if (now.level !== before.level) deps.setLogLevel(now.level);
    if (now.bounds !== before.bounds) {
      registry.boundAnew();
      for (const node of registry.nodes.values()) deps.hasRoom(node);
    }
    if (now.needsKey && !before.needsKey) {
      deps.ownKey().catch((error: unknown) => log.warn("the local API key could not be made", { err: error }));
    }
    before = now;
  });
}
