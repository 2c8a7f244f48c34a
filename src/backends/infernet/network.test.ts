// A network of coordinators that borrow from each other in any way at all: what they hear of each other is really there,
// what is gone is forgotten by all, and no request runs in circles, however old what they know may be.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { modelList } from "../../http/openai/models.ts";
import { manualClock } from "../../lib/clock.ts";
import type { HeartbeatFrame } from "../../protocol/frames.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { markOf, NO_TRAIL, onwards, type Trail } from "../../protocol/trail.ts";
import { createRegistry, type Node, type Registry } from "../../registry/registry.ts";
import { parseLentModels } from "./lent-models.ts";

const DEVICE = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };
const CHANNEL = { send() {}, acknowledge() {}, close() {} };
const FREE = { input: 0, output: 0 };
const NOTHING = { context_length: null, digest: null, loaded: null, quantization: null, demo: false, backend: 0 };

type Serves = NonNullable<HeartbeatFrame["serves"]>;
const served = (kind: "openai" | "infernet", models: { name: string; path?: string[] }[]): Serves => ({
  backends: [{ kind, continues: false, healthy: true }],
  models: models.map((model) => ({ ...NOTHING, ...model })),
  slots: 1,
  prices: FREE,
});

type Coordinator = { key: Pubkey; mark: string; maxHops: number; registry: Registry; nodes: number };
/** A node of `borrower` that offers what `lender` has. */
type Loan = { borrower: Coordinator; lender: Coordinator; node: Node };

function join(to: Coordinator, serves: Serves): Node {
  const pubkey = pubkeySchema.parse(`${to.nodes++}`.padStart(64, "0"));
  const ready = { type: "ready" as const, sig: "", name: "n", device: DEVICE, attempts: [], ...serves };
  return to.registry.attach(pubkey, CHANNEL, ready);
}
const tell = (to: Coordinator, node: Node, serves: Serves) =>
  to.registry.heartbeat(node, { type: "heartbeat", status: "available", running: 0, serves });

/** The borrower's node asks the lender anew, as it does every 15 s. */
function refresh({ borrower, lender, node }: Loan): void {
  const listing = modelList(lender.registry, { trail: onwards(NO_TRAIL, [borrower.key]) });
  const lent = parseLentModels(JSON.parse(JSON.stringify(listing)), lender.key, [borrower.mark]);
  if (!lent.ok) throw new Error(lent.error.message);
  const models = lent.value.map(({ model }) => ({ name: model.name, path: [...(model.path ?? [])] }));
  tell(borrower, node, served("infernet", models));
}

/** Follows a request for `m` from one coordinator to the next, whichever way is drawn; the coordinators it met. */
function follow(loans: readonly Loan[], start: Coordinator, draw: () => number): Coordinator[] {
  const met = [start];
  let trail: Trail = NO_TRAIL;
  for (;;) {
    const at = met[met.length - 1] as Coordinator;
    // As at the client's door: client-auth.ts.
    if (trail.via.includes(at.mark) || trail.hops > at.maxHops) return met;
    const offers = at.registry.offersFor("m", trail);
    const offer = offers[Math.floor(draw() * offers.length)];
    const loan = loans.find(({ node }) => node === offer?.node);
    if (!offer || offer.path.length === 0 || !loan) return met;
    trail = onwards(trail, [at.key]);
    met.push(loan.lender);
  }
}

const world = fc.record({
  hops: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 5 }),
  loans: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 12 }),
  sources: fc.array(fc.nat(4), { minLength: 1, maxLength: 2 }),
  /** Which loan is refreshed next, while things are as they are. */
  order: fc.array(fc.nat(11), { maxLength: 30 }),
  draws: fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
});

test("in any network of loans", () => {
  fc.assert(
    fc.property(world, ({ hops, loans: pairs, sources, order, draws }) => {
      const clock = manualClock();
      const coordinators = hops.map((maxHops, i): Coordinator => {
        const key = pubkeySchema.parse(`${i + 1}`.repeat(64));
        const registry = createRegistry({ clock, peers: { self: markOf(key), maxHops } });
        return { key, mark: markOf(key), maxHops, registry, nodes: 0 };
      });
      const at = (i: number) => coordinators[i % coordinators.length] as Coordinator;
      const own = sources.map((i) => ({ of: at(i), node: join(at(i), served("openai", [{ name: "m" }])) }));
      const loans = pairs
        .map(([borrower, lender]) => ({ borrower: at(borrower), lender: at(lender) }))
        .filter(({ borrower, lender }) => borrower !== lender)
        .map((pair): Loan => ({ ...pair, node: join(pair.borrower, served("infernet", [])) }));

      const hold = () => {
        for (const { registry, mark, maxHops } of coordinators) {
          for (const { path } of registry.offersOf("m")) {
            expect(path.includes(mark)).toBe(false);
            expect(new Set(path).size).toBe(path.length);
            expect(path.length).toBeLessThanOrEqual(maxHops);
          }
        }
        for (const start of coordinators) {
          const met = follow(loans, start, () => draws.next().value as number);
          expect(new Set(met).size).toBe(met.length);
        }
      };
      const someRefreshes = () => {
        for (const next of order) {
          const loan = loans[next % Math.max(1, loans.length)];
          if (loan) refresh(loan);
          hold();
        }
      };
      const rounds = () => {
        for (let round = 0; round <= coordinators.length; round++) for (const loan of loans) refresh(loan);
      };

      someRefreshes();
      rounds();
      hold();
      // Who lends from a source hears of it.
      for (const { borrower, lender } of loans) {
        if (own.some(({ of }) => of === lender)) expect(borrower.registry.offersOf("m").length).toBeGreaterThan(0);
      }
      for (const { of, node } of own) tell(of, node, served("openai", []));
      someRefreshes();
      rounds();
      expect(coordinators.filter(({ registry }) => registry.offersOf("m").length > 0)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
