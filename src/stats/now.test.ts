import { expect, test } from "bun:test";
import { addUp, type Figures, readFigures } from "./now.ts";

const figures = (over: Partial<Figures> = {}): Figures => ({
  ...{ outputPerS: 10, promptPerS: 1, running: 2, slots: 4, queued: 0, oldestQueuedMs: null },
  nodes: { online: 2, serving: 1, idle: 1, suspect: 0, paused: 0 },
  models: [{ model: "m", queued: 0, running: 2, slots: 4, outputPerS: 10 }],
  ...over,
});

test("figures of several coordinators are sums, model by model, the fullest first", () => {
  const other = figures({
    ...{ queued: 3, oldestQueuedMs: 500 },
    models: [
      { model: "n", queued: 3, running: 0, slots: 0, outputPerS: 0 },
      { model: "m", queued: 0, running: 1, slots: 2, outputPerS: 5 },
    ],
  });
  expect(addUp(figures({ oldestQueuedMs: 200 }), [other])).toEqual({
    ...{ outputPerS: 20, promptPerS: 2, running: 4, slots: 8, queued: 3, oldestQueuedMs: 500 },
    nodes: { online: 4, serving: 2, idle: 2, suspect: 0, paused: 0 },
    models: [
      { model: "n", queued: 3, running: 0, slots: 0, outputPerS: 0 },
      { model: "m", queued: 0, running: 3, slots: 6, outputPerS: 15 },
    ],
  });
});

test("what another version says otherwise is no figure, and adds nothing", () => {
  expect(readFigures(JSON.parse(JSON.stringify(figures())))).toEqual(figures());
  expect([readFigures({ running: -1 }), readFigures(null)]).toEqual([null, null]);
  expect(addUp(figures(), [])).toEqual(figures());
});
