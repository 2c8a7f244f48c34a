// Live: streams of updates to pages, as server-sent events. One computation serves all who look at the same thing; who
// reads slowly skips updates and never holds others up; how many may look is bounded.

import { errorResponse } from "../http/errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";

/** An unnamed one is markup, which htmx swaps in; a named one becomes a DOM event of the page. */
export type LiveEvent = { event?: string; data: string };

export type LiveSource = {
  /** What all that show the same share; with the account or role in it, where what is shown depends on that. */
  key: string;
  everyMs: number;
  /**
   * Everything that may have changed, each as it stands now: what is the same as the last time is not sent again. Called
   * only while somebody looks.
   */
  render(): LiveEvent[] | Promise<LiveEvent[]>;
};

/** Who reads a stream (reader.ts). */
export type Reader = {
  /** Whose streams are counted together. */
  who: string;
  /** How many of them there may be. */
  most: number;
  /** Nobody knows who that is. */
  stranger: boolean;
  /** Those with the same text are asked about once. */
  session: string;
  /** Whether they are still who they were when the stream began. */
  stays(): boolean | Promise<boolean>;
};

/** Streams at once. */
const MAX_VIEWERS = 2_000;
/** Of them those of strangers: they never keep out whoever is signed in. */
const MAX_STRANGERS = 1_000;
/** A stream ends then, and the page opens it anew. */
const STREAM_MS = 5 * 60_000;
/** How often it is asked whether a reader may look on. */
const ASK_MS = 10_000;
/** Without anything new, a comment, so that proxies do not close it. */
const QUIET_MS = 15_000;
/** Bytes that wait for one reader; beyond, it skips. */
const MAX_WAITING_BYTES = 256 * 1024;

type Viewer = {
  controller: ReadableStreamDefaultController<Uint8Array>;
  reader: Reader;
  endsMs: number;
  askedMs: number;
  /** It skipped something: it is sent everything as it stands once it reads again. */
  behind: boolean;
};
type Topic = {
  source: LiveSource;
  viewers: Set<Viewer>;
  /** The last of each event, by its place. */
  last: string[];
  lastMs: number;
  rendering: boolean;
  stop(): void;
};

export type Live = ReturnType<typeof createLive>;

export function createLive({ clock, log }: { clock: Clock; log: Log }) {
  const topics = new Map<string, Topic>();
  const encoder = new TextEncoder();
  let viewers = 0;
  let strangers = 0;
  /** Streams by whose they are. */
  const counts = new Map<string, number>();
  const count = ({ who, stranger }: Reader, by: 1 | -1) => {
    viewers += by;
    if (stranger) strangers += by;
    const now = (counts.get(who) ?? 0) + by;
    if (now > 0) counts.set(who, now);
    else counts.delete(who);
  };
  const isFull = ({ who, most, stranger }: Reader): boolean =>
    viewers >= MAX_VIEWERS || (stranger && strangers >= MAX_STRANGERS) || (counts.get(who) ?? 0) >= most;

  const leave = (topic: Topic, viewer: Viewer) => {
    if (!topic.viewers.delete(viewer)) return;
    count(viewer.reader, -1);
    if (topic.viewers.size > 0) return;
    topic.stop();
    topics.delete(topic.source.key);
  };
  const send = (topic: Topic, viewer: Viewer, bytes: Uint8Array) => {
    if ((viewer.controller.desiredSize ?? 0) <= 0) {
      viewer.behind = true;
      return;
    }
    const all = viewer.behind ? encoder.encode(topic.last.join("")) : bytes;
    viewer.behind = false;
    try {
      viewer.controller.enqueue(all);
    } catch {
      // It was cancelled a moment ago.
      leave(topic, viewer);
    }
  };
  const end = (topic: Topic, viewer: Viewer) => {
    leave(topic, viewer);
    try {
      viewer.controller.close();
    } catch {
      // It is closed.
    }
  };
  /** Ends the streams of those who may not look on. */
  const endOver = async (topic: Topic, nowMs: number) => {
    const answers = new Map<string, Promise<boolean>>();
    const stays = ({ session, stays: ask }: Reader): Promise<boolean> => {
      const asked = answers.get(session) ?? Promise.resolve(ask());
      answers.set(session, asked);
      return asked;
    };
    for (const viewer of [...topic.viewers]) {
      const isDue = nowMs - viewer.askedMs >= ASK_MS;
      if (isDue) viewer.askedMs = nowMs;
      if (viewer.endsMs <= nowMs || (isDue && !(await stays(viewer.reader)))) end(topic, viewer);
    }
  };
  const tick = async (topic: Topic) => {
    if (topic.rendering) return;
    topic.rendering = true;
    const nowMs = clock.nowMs();
    try {
      await endOver(topic, nowMs);
      const texts = (await topic.source.render()).map(wire);
      const news = texts.filter((text, i) => text !== topic.last[i]).join("");
      topic.last = texts;
      if (news !== "" || nowMs - topic.lastMs >= QUIET_MS) {
        topic.lastMs = nowMs;
        const bytes = encoder.encode(news === "" ? ": quiet\n\n" : news);
        for (const viewer of topic.viewers) send(topic, viewer, bytes);
      } else for (const viewer of topic.viewers) if (viewer.behind) send(topic, viewer, new Uint8Array(0));
    } catch (error) {
      log.warn("an update of a page could not be made", { page: topic.source.key, err: error });
    } finally {
      topic.rendering = false;
    }
  };
  const topicOf = (source: LiveSource): Topic => {
    const known = topics.get(source.key);
    if (known) return known;
    const topic: Topic = { source, viewers: new Set(), last: [], lastMs: 0, rendering: false, stop: () => {} };
    topic.stop = clock.every(source.everyMs, () => void tick(topic));
    topics.set(source.key, topic);
    return topic;
  };

  return {
    viewers: () => viewers,

    /** The stream of one reader. Its first event is everything as it stands. */
    open(reader: Reader, source: LiveSource): Response {
      if (isFull(reader)) {
        return errorResponse("too_many_requests", "too many pages look on; this one tries again by itself", {
          headers: { "retry-after": "10" },
        });
      }
      const topic = topicOf(source);
      let viewer: Viewer | undefined;
      count(reader, 1);
      const body = new ReadableStream<Uint8Array>(
        {
          start(controller) {
            const nowMs = clock.nowMs();
            viewer = { controller, reader, endsMs: nowMs + STREAM_MS, askedMs: nowMs, behind: false };
            topic.viewers.add(viewer);
            // Before the first tick there is nothing to send yet; the headers go all the same.
            controller.enqueue(encoder.encode(topic.last.length > 0 ? topic.last.join("") : ": hello\n\n"));
            if (topic.last.length === 0) void tick(topic);
          },
          cancel() {
            if (viewer) leave(topic, viewer);
          },
        },
        new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
      );
      return new Response(body, {
        headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
      });
    },

    /** Ends all streams. */
    close(): void {
      for (const topic of [...topics.values()]) for (const viewer of [...topic.viewers]) end(topic, viewer);
    },
  };
}

/** One event as it travels (HTML Living Standard §9.2.6). */
export const wire = ({ event, data }: LiveEvent): string =>
  `${event === undefined ? "" : `event: ${event}\n`}${data
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("")}\n`;
