// Candidates for tests: good nodes that are like each other but for what a test says.
import { FEATURES, TASKS } from "../../protocol/generation.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { type Candidate, type CandidateNode, rate } from "../choose.ts";
import { featureBits, handlesOf, taskBits } from "../wishes.ts";

export const key = (n: number): Pubkey => pubkeySchema.parse(n.toString(16).padStart(64, "0"));

type Offer = Omit<Candidate, "node" | keyof ReturnType<typeof rate> | "lacks">;
export type CandidateSpec = Partial<Offer> & {
  firstTokenMs?: number;
  rttMs?: number | null;
  node?: Partial<CandidateNode> & { name?: string; account?: string };
};

export function candidate(
  n: number,
  { node = {}, firstTokenMs = 0, rttMs = null, ...offer }: CandidateSpec = {},
): Candidate {
  const measured = { priceInput: 0, priceOutput: 0, tokensPerS: 50, firstTokenMs, rttMs };
  const { has = featureBits(FEATURES) } = offer;
  return {
    node: {
      pubkey: key(n),
      handles: handlesOf({ name: `node ${n}`, account: "local", pool: "", ...node }),
      pool: "",
      region: "",
      slots: 4,
      running: 0,
      foreign: 0,
      cache: 0,
      accepting: true,
      watchedUntilMs: 0,
      suspectUntilMs: 0,
      provingUntilMs: 0,
      provingMs: 0,
      ...node,
    },
    contextLength: 4096,
    priceInput: 0,
    priceOutput: 0,
    tokensPerS: 50,
    openUntilMs: 0,
    tasks: taskBits(TASKS),
    has,
    lacks: featureBits(FEATURES) & ~has,
    quantizations: ["unknown"],
    ...rate({ ...measured, ...offer }),
    ...offer,
  };
}
