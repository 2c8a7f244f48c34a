// Faults: what goes wrong between a client and an RPC server, as a test asks for it.
import { z } from "zod";

export const FAULTS = [
  /** Accepted, and never seen again. For sendTransaction. */
  "drop",
  /** Done, but the answer is a gateway's 504. */
  "land-then-timeout",
  /** Not done; a gateway's 504. */
  "timeout",
  /** Not done, and no answer until the client gives up. */
  "hang",
  /** Not done: overloaded. */
  "http503",
  /** Not done: too many requests. */
  "http429",
  /** Not done: the server says that it lags behind the cluster. */
  "node-behind",
  /** getSignatureStatuses knows nothing. */
  "hide-status",
] as const;
export type Fault = (typeof FAULTS)[number];

/** How often a fault strikes calls of a method ("*": any). */
export const faultRuleSchema = z.object({
  fault: z.enum(FAULTS),
  method: z.string().default("*"),
  times: z.number().int().min(1).default(1),
});
export type FaultRule = z.output<typeof faultRuleSchema>;

export type Faults = ReturnType<typeof createFaults>;

/** Rules strike in the order they were added; `choose` decides for calls that no rule is about. */
export function createFaults({ choose = (_method: string): Fault | undefined => undefined } = {}) {
  let rules: FaultRule[] = [];
  const waiting: (() => void)[] = [];
  return {
    choose,
    /** Calls `fn` once, when the next fault strikes. */
    onStrike(fn: () => void): void {
      waiting.push(fn);
    },
    add(rule: z.input<typeof faultRuleSchema>): void {
      rules.push(faultRuleSchema.parse(rule));
    },
    clear(): void {
      rules = [];
    },
    /** The fault that strikes this call, if any; counts it. */
    strike(method: string): Fault | undefined {
      if (method.startsWith("local_")) return undefined;
      const fault = this.next(method);
      if (fault !== undefined) for (const fn of waiting.splice(0)) fn();
      return fault;
    },
    next(method: string): Fault | undefined {
      const rule = rules.find((each) => each.method === "*" || each.method === method);
      if (rule === undefined) return this.choose(method);
      rule.times -= 1;
      if (rule.times === 0) rules = rules.filter((each) => each !== rule);
      return rule.fault;
    },
  };
}
