// Fragment stream: an answer of server-sent events, each a fragment that htmx swaps in, to one reader.
import type { Clock } from "../../lib/clock.ts";
import { wire } from "../live.ts";

export type FragmentStream = {
  readonly response: Response;
  /** Aborted when the reader is gone. */
  readonly signal: AbortSignal;
  send(fragment: string): void;
  /** Resolves when the reader has caught up; undefined where it is not behind. */
  behind(): Promise<void> | undefined;
  close(): void;
};

/** Bytes that wait for the reader. */
const MAX_WAITING_BYTES = 64 * 1024;
/** Without anything new, a comment, so that proxies do not close it. */
const QUIET_MS = 15_000;

export function fragmentStream(clock: Clock, over: () => void): FragmentStream {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  let caughtUp: PromiseWithResolvers<void> | null = null;
  let sentMs = clock.nowMs();
  const write = (text: string) => {
    if (!controller) return;
    sentMs = clock.nowMs();
    controller.enqueue(encoder.encode(text));
  };
  const stopQuiet = clock.every(QUIET_MS, () => {
    if (clock.nowMs() - sentMs >= QUIET_MS) write(": quiet\n\n");
  });
  const end = () => {
    controller = null;
    stopQuiet();
    caughtUp?.resolve();
    caughtUp = null;
    over();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull() {
        caughtUp?.resolve();
        caughtUp = null;
      },
      cancel() {
        end();
        gone.abort();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
  );
  const headers = { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" };
  return {
    response: new Response(body, { headers }),
    signal: gone.signal,
    send: (fragment) => write(wire({ data: fragment })),
    behind() {
      if (!controller || (controller.desiredSize ?? 0) > 0) return undefined;
      caughtUp ??= Promise.withResolvers<void>();
      return caughtUp.promise;
    },
    close() {
      const open = controller;
      if (!open) return;
      end();
      open.close();
    },
  };
}
