// Apple: how busy the GPU of a Mac is, as the system's own tool says.
import type { RunTool } from "./tool.ts";

/** 0 to 100; null where it does not say. */
export async function appleUse(run: RunTool): Promise<number | null> {
  const answer = await run(["ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator"]);
  return answer.ok ? parseIoreg(answer.value) : null;
}

/** The largest `"Device Utilization %"=NN` of all accelerators. */
export function parseIoreg(text: string): number | null {
  const all = [...text.matchAll(/"Device Utilization %"\s*=\s*(\d{1,3})\b/g)].map(([, digits]) => Number(digits));
  return all.length > 0 ? Math.min(100, Math.max(...all)) : null;
}
