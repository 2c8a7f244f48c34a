// Storm: the load and the disturbances side by side, in an order that follows from a seed, and the reckoning after it.
import type { JobView } from "../harness/client.ts";
import { waitFor } from "../harness/wait-for.ts";
import { askOne, HONEST_ENDS, type Seen } from "./load.ts";
import { type Reckoned, reckonMoney } from "./money.ts";
import { type Random, random } from "./random.ts";
import { type Verdict, verifier } from "./verify.ts";
import type { Disturbance, World } from "./world.ts";

export type StormOptions = {
  seed: number;
  /** Requests in all, and side by side. */
  jobs: number;
  clients: number;
  /** Told of what happens, a line each. */
  say?: (line: string) => void;
};

export type Reckoning = {
  jobs: number;
  /** By outcome, as the clients saw it. */
  outcomes: Record<string, number>;
  disturbances: Record<string, number>;
  /** Answers compared with undisturbed runs, and how many of them two nodes or more had given. */
  verified: number;
  takenOver: number;
  /** Chats whose record went down with the coordinator: compared with the undisturbed run alone. */
  withoutRecord: number;
  /** µ$ charged in all, receipts, and jobs that two nodes or more were paid for. */
  money: Reckoned;
  faults: string[];
};

export async function storm(world: World, options: StormOptions): Promise<Reckoning> {
  const { say = () => undefined, jobs } = options;
  const chance = random(options.seed);
  const disturbances: Record<string, number> = {};
  const seen: Seen[] = [];
  const faults: string[] = [];
  let asked = 0;
  const clients = Array.from({ length: options.clients }, async () => {
    while (asked < jobs) {
      const n = asked++;
      try {
        let one = await askOne(world.api, n, chance);
        while (isUnheard(one)) {
          await Bun.sleep(50);
          one = await askOne(world.api, n, chance);
        }
        seen.push(one);
      } catch (error) {
        faults.push(`${error}`);
      }
      if (seen.length % 100 === 0) say(`${seen.length} of ${jobs}`);
    }
  });
  let over = false;
  const storming = disturb(
    world,
    chance,
    () => over,
    (what) => {
      disturbances[what] = (disturbances[what] ?? 0) + 1;
      say(what);
    },
  );
  await Promise.all(clients);
  over = true;
  await storming;
  await world.settled();
  say("calm; reckoning");

  const reckoning = { verified: 0, takenOver: 0, withoutRecord: 0 };
  await everyJobEnded(world, faults);
  const verify = verifier(world.api);
  for (const one of seen) {
    const fault = await reckon(world, verify, one, reckoning);
    if (fault !== undefined) faults.push(`${one.kind} ${one.n} (${one.jobId}): ${fault}`);
  }
  const money = await reckonMoney(world, seen, faults);
  return { jobs, outcomes: countBy(seen, ({ outcome }) => outcome), disturbances, ...reckoning, money, faults };
}

/** The coordinator was not there, or went before it answered: the client asks again. */
const isUnheard = ({ outcome, jobId }: Seen): boolean =>
  jobId === null && ["connection", "no_nodes_online"].includes(outcome);

/** One thing after the other, now and then two at once, until it is over and all is well again. */
async function disturb(
  world: World,
  chance: Random,
  isOver: () => boolean,
  note: (what: string) => void,
): Promise<void> {
  const underWay = new Map<string, Promise<void>>();
  let fault: unknown;
  while (!isOver() && fault === undefined) {
    await Bun.sleep(chance.between(100, 900));
    const how: Disturbance = chance.weighted({ kill: 4, stop: 2, cut: 4, engine: 3, coordinator: 1 });
    const free = world.nodes.filter(({ name }) => !underWay.has(name));
    if (how === "coordinator") {
      note(how);
      await world.restartCoordinator();
    } else if (free.length > 1) {
      // One node is always left alone, so that there is something to go on with.
      const victim = chance.pick(free);
      note(`${how} ${victim.name}`);
      const healing = victim.disturb(how, chance).catch((error: unknown) => {
        fault = error;
      });
      underWay.set(victim.name, healing);
      void healing.then(() => underWay.delete(victim.name));
    }
  }
  await Promise.all(underWay.values());
  if (fault !== undefined) throw fault;
}

type Counts = { verified: number; takenOver: number; withoutRecord: number };

/** What is wrong with one answer. */
async function reckon(
  world: World,
  verify: (seen: Seen, job: JobView) => Promise<Verdict>,
  seen: Seen,
  counts: Counts,
): Promise<string | undefined> {
  if (!HONEST_ENDS.includes(seen.outcome)) return `ended as ${seen.outcome}`;
  const isAcknowledged = seen.kind.startsWith("job") && seen.jobId !== null;
  if (isAcknowledged && seen.outcome !== "completed") {
    const { attempts } = await world.api.job(seen.jobId ?? "");
    return `was acknowledged and ended as ${seen.outcome}: ${JSON.stringify(attempts)}`;
  }
  if (seen.outcome !== "completed" || seen.jobId === null) return undefined;
  const response = await world.api.get(`/api/v1/jobs/${seen.jobId}`);
  if (response.status === 404 && !isAcknowledged) {
    counts.withoutRecord++;
    return undefined;
  }
  const job = (await response.json()) as JobView;
  const isLate = job.status === "failed" && job.error?.code === "coordinator_restarted" && !isAcknowledged;
  if (isLate) {
    // Its end was written behind, and the coordinator died before that.
    counts.withoutRecord++;
    return undefined;
  }
  if (job.status !== "completed") return `the client has the whole answer, its record says ${job.status}`;
  const verdict = await verify(seen, job);
  if (!verdict.ok) return verdict.why;
  counts.verified++;
  if (verdict.takeOvers > 0) counts.takenOver++;
  return undefined;
}

/** Nothing is left under way, and each job is there once. */
async function everyJobEnded(world: World, faults: string[]): Promise<void> {
  await waitFor("every job to have ended", async () => {
    const pages = await Promise.all(
      ["queued", "dispatched", "running"].map((status) => world.api.jobs(`?status=${status}`)),
    );
    return pages.every(({ data }) => data.length === 0);
  }).catch((error: unknown) => faults.push(`${error}`));
}

function countBy<T>(list: readonly T[], keyOf: (one: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of list) counts[keyOf(one)] = (counts[keyOf(one)] ?? 0) + 1;
  return counts;
}
