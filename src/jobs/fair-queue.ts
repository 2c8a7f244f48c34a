// Fair queue: the jobs waiting for one model, shared out between accounts by deficit round robin (Shreedhar and
// Varghese 1995), bounded. Pure data: it neither dispatches nor answers anybody.

/** What the queue needs to know of a job. */
export type Queued = {
  /** Whose turn it uses up: the account, or the key while billing is off. */
  readonly fairKey: string;
  /** Size of the job against its owner's share: tokens it may take, prompt and answer. */
  readonly cost: number;
  /** It may still be told "too busy": a synchronous request whose headers are unsent. */
  readonly displaceable: boolean;
};

/** How far behind an account's first job one is looked for that overtakes it. */
const LOOK_AHEAD = 64;
/** Cost an account gains at each of its turns. */
const QUANTUM = 8192;

type Lane<J> = { key: string; jobs: J[]; deficit: number; hasTurn: boolean };

export type FairQueue<J extends Queued> = {
  readonly length: number;
  /**
   * Adds a job. When the queue is full, somebody must go: the newest displaceable job of the account with the most
   * waiting, or, where that account has none to give, the arrival itself. Returns who it was.
   */
  add(job: J): J | undefined;
  /** Whether `add` would refuse the job itself. */
  refuses(job: J): boolean;
  /** Puts a job that was dispatched in vain back at the head of its account's lane. Never displaces. */
  putBack(job: J): void;
  /** Takes a job out, wherever it stands. */
  remove(job: J): boolean;
  /**
   * The next job by fair shares: of each account the first that `fits` accepts, unless one soon after it `overtakes` it,
   * which changes nothing between accounts.
   */
  take(fits: (job: J) => boolean, overtakes?: (job: J, first: J) => boolean): J | undefined;
  /** The jobs as they stand, account by account. */
  all(): J[];
};

/** `limit`: jobs that may wait, asked whenever one comes. */
export function fairQueue<J extends Queued>(limit: () => number): FairQueue<J> {
  const lanes = new Map<string, Lane<J>>();
  /** Lanes with work, in order of turn; the first is next. */
  let turns: Lane<J>[] = [];
  let length = 0;

  const laneOf = (key: string): Lane<J> => {
    let lane = lanes.get(key);
    if (!lane) {
      lane = { key, jobs: [], deficit: 0, hasTurn: false };
      lanes.set(key, lane);
      turns.push(lane);
    }
    return lane;
  };
  const dropIfEmpty = (lane: Lane<J>) => {
    if (lane.jobs.length > 0) return;
    lanes.delete(lane.key);
    turns = turns.filter((other) => other !== lane);
  };
  const victimOf = (arrival: J): J => {
    let longest: Lane<J> | undefined;
    for (const lane of lanes.values()) {
      const size = lane.jobs.length + (lane.key === arrival.fairKey ? 1 : 0);
      const most = longest ? longest.jobs.length + (longest.key === arrival.fairKey ? 1 : 0) : 0;
      if (size > most) longest = lane;
    }
    if (!longest || (longest.key === arrival.fairKey && arrival.displaceable)) return arrival;
    return longest.jobs.findLast((job) => job.displaceable) ?? arrival;
  };
  const remove = (job: J): boolean => {
    const lane = lanes.get(job.fairKey);
    const at = lane?.jobs.indexOf(job) ?? -1;
    if (!lane || at < 0) return false;
    lane.jobs.splice(at, 1);
    length--;
    dropIfEmpty(lane);
    return true;
  };

  return {
    get length() {
      return length;
    },
    add(job) {
      let displaced: J | undefined;
      if (length >= limit()) {
        displaced = victimOf(job);
        if (displaced === job) return job;
        remove(displaced);
      }
      laneOf(job.fairKey).jobs.push(job);
      length++;
      return displaced;
    },
    refuses: (job) => length >= limit() && victimOf(job) === job,
    putBack(job) {
      laneOf(job.fairKey).jobs.unshift(job);
      length++;
    },
    remove,
    take(fits, overtakes = () => false) {
      const fitting = new Map<Lane<J>, J>();
      for (const lane of turns) {
        // Not only the head: one that waits for a rare node must not hold up those that any node can take.
        const first = lane.jobs.find(fits);
        if (!first) continue;
        const ahead = lane.jobs.slice(0, LOOK_AHEAD).find((job) => job !== first && overtakes(job, first) && fits(job));
        fitting.set(lane, ahead ?? first);
      }
      if (fitting.size === 0) return undefined;
      // Those whose turn it is and who can use it, in order. Who has nothing that fits keeps turn and place: what others
      // can take meanwhile (nodes of their own, say) costs it nothing.
      const order = turns.filter((lane) => fitting.has(lane));
      const ended = new Set<Lane<J>>();
      for (let at = 0; ; at++) {
        const lane = order[at] as Lane<J>;
        const job = fitting.get(lane) as J;
        if (!lane.hasTurn) {
          lane.hasTurn = true;
          lane.deficit += QUANTUM;
        }
        if (lane.deficit >= job.cost) {
          lane.deficit -= job.cost;
          turns = [...turns.filter((other) => !ended.has(other)), ...ended];
          remove(job);
          return job;
        }
        // The turn is over: what it did not use it keeps, for as long as it waits, and it goes behind all others.
        lane.hasTurn = false;
        ended.delete(lane);
        ended.add(lane);
        order.push(lane);
      }
    },
    all: () => [...lanes.values()].flatMap((lane) => lane.jobs),
  };
}
