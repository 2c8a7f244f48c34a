// Node terms: what a node tells of its slots, prices and hours, and how a coordinator that it lets changes them: through
// the same settings as its own dashboard and `infernet settings`.
import type { Actor } from "../accounts/caller.ts";
import type { Config } from "../config.ts";
import type { Origin } from "../daemon/commands/journal.ts";
import { OPERATOR } from "../daemon/commands/node-commands.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { CommandGroup } from "../protocol/commands.ts";
import { type NodeTerms, TERM_NAMES, type Term, type TermsChange } from "../protocol/terms.ts";
import type { Settings } from "../settings/settings.ts";

export type NodeTermsDeps = {
  config: Pick<Config, "node">;
  settings: Pick<Settings, "find" | "changeAll">;
  /** The coordinator is this very process, whose admins change the node's settings anyway. */
  governed: boolean;
};

const keyOf = (term: Term): string => `node.${term}`;

export function nodeTermsOf({ config: { node }, settings, governed }: NodeTermsDeps) {
  const fixed = () => TERM_NAMES.filter((term) => settings.find(keyOf(term))?.fixed === true);
  /** What coordinators may ask of this node. */
  const allowed = (): readonly CommandGroup[] => {
    const allows = node.allow_commands;
    return governed && !allows.includes("configure") ? [...allows, "configure"] : allows;
  };
  /** Who changed a setting. In one process, the audit log has named before who asked for it. */
  const actorOf = (by: Origin): Actor => (by === OPERATOR ? "local" : governed ? "system" : `coordinator/${by}`);
  return {
    allowed,
    now: (): NodeTerms => ({
      slots: node.slots,
      price_input: node.price_input,
      price_output: node.price_output,
      prices: node.prices,
      schedule: [...node.schedule],
      idle_only: node.idle_only,
      idle_gpu_percent: node.idle_gpu_percent,
      idle_cpu_percent: node.idle_cpu_percent,
      idle_busy_s: node.idle_busy_s,
      idle_resume_s: node.idle_resume_s,
      idle_drain_s: node.idle_drain_s,
      fixed: fixed(),
      allows: [...allowed()],
    }),
    /** Kept and in effect when it resolves, all of it at once. Nothing is changed where one of them is fixed here. */
    async configure(change: TermsChange, by: Origin): Promise<Result<void, string>> {
      const wanted = TERM_NAMES.filter((term) => change[term] !== undefined);
      const held = fixed().filter((term) => wanted.includes(term));
      if (held.length > 0) {
        const why = held.map((term) => `${term} (${settings.find(keyOf(term))?.source.where ?? ""})`).join(", ");
        return err(`a flag or the environment of this node says otherwise: ${why}; nothing was changed`);
      }
      const values = new Map(wanted.map((term) => [keyOf(term), change[term]]));
      const changed = await settings.changeAll(values, { actor: actorOf(by), from: "" });
      return changed.ok ? ok(undefined) : err(`${changed.error.key}: ${changed.error.message}; nothing was changed`);
    },
  };
}
export type OwnTerms = ReturnType<typeof nodeTermsOf>;
