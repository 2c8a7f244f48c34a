// Node loads: the last hour of each node in a ring of bytes, seven to a sample: 10,000 nodes take 13 MB.
import type { MachineLoad } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Node } from "../registry/registry.ts";
import type { NodeSample } from "./stats.ts";

/** How long a sample is: the most that ran in it, and what the node said last of its machine. */
const SAMPLE_S = 20;
const SAMPLES = 3_600 / SAMPLE_S;
const BYTES = 7;
/** In the first two bytes, little endian: what ran, or that there is no sample. */
const NO_SAMPLE = 0xffff;
const MOST_RUNNING = 0xfffe;
/** In the others: not said. */
const UNKNOWN = 0xff;
const FIELDS = ["gpu", "gpu_memory", "temperature", "cpu", "memory"] as const satisfies (keyof MachineLoad)[];

export function createNodeLoads() {
  const rings = new Map<Pubkey, Uint8Array>();
  let newest = 0;
  /** Makes room for the samples that began since. */
  const turnTo = (sample: number) => {
    if (sample <= newest) return;
    const turns = Math.min(SAMPLES, sample - newest);
    for (const ring of rings.values()) {
      for (let i = 0; i < turns; i++) ring.fill(UNKNOWN, offsetOf(sample - i), offsetOf(sample - i) + BYTES);
    }
    newest = sample;
  };

  return {
    /** Notes how these nodes are now. */
    looked(nodes: Iterable<Node>, nowMs: number): void {
      turnTo(Math.floor(nowMs / 1000 / SAMPLE_S));
      const at = offsetOf(newest);
      for (const { pubkey, running, machine } of nodes) {
        let ring = rings.get(pubkey);
        if (!ring) {
          ring = new Uint8Array(SAMPLES * BYTES).fill(UNKNOWN);
          rings.set(pubkey, ring);
        }
        const most = Math.max(runningIn(ring, at) ?? 0, Math.min(running, MOST_RUNNING));
        ring[at] = most & 0xff;
        ring[at + 1] = most >> 8;
        if (machine === null) continue;
        for (let i = 0; i < FIELDS.length; i++)
          ring[at + 2 + i] = machine[FIELDS[i] as (typeof FIELDS)[number]] ?? UNKNOWN;
      }
    },

    /** Oldest first, gaps left out. */
    of(pubkey: Pubkey): NodeSample[] {
      const ring = rings.get(pubkey);
      if (!ring) return [];
      const samples: NodeSample[] = [];
      for (let sample = newest - SAMPLES + 1; sample <= newest; sample++) {
        const at = offsetOf(sample);
        const running = runningIn(ring, at);
        if (running === null) continue;
        const [
          gpuPercent = null,
          gpuMemoryPercent = null,
          temperatureC = null,
          cpuPercent = null,
          memoryPercent = null,
        ] = Array.from(ring.subarray(at + 2, at + BYTES), (value) => (value === UNKNOWN ? null : value));
        const said = { gpuPercent, gpuMemoryPercent, temperatureC, cpuPercent, memoryPercent };
        samples.push({ atS: sample * SAMPLE_S, running, ...said });
      }
      return samples;
    },

    forget(isGone: (pubkey: Pubkey) => boolean): void {
      for (const pubkey of rings.keys()) if (isGone(pubkey)) rings.delete(pubkey);
    },
  };
}

const offsetOf = (sample: number): number => (((sample % SAMPLES) + SAMPLES) % SAMPLES) * BYTES;

function runningIn(ring: Uint8Array, at: number): number | null {
  const running = (ring[at] ?? 0) | ((ring[at + 1] ?? 0) << 8);
  return running === NO_SAMPLE ? null : running;
}
