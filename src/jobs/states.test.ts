import { expect, test } from "bun:test";
import fc from "fast-check";
import { isEnd, JOB_STATES, JOB_TRANSITIONS, moveTo } from "./states.ts";

test("a job moves as the table says, whatever is asked of it, and an end is its last state", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...JOB_STATES), { maxLength: 20 }), (asked) => {
      const job = { id: "j", state: "queued" as (typeof JOB_STATES)[number] };
      for (const to of asked) {
        const from = job.state;
        const may = JOB_TRANSITIONS[from].includes(to);
        if (may) moveTo(job, to);
        else expect(() => moveTo(job, to)).toThrow(`job j cannot go from ${from} to ${to}`);
        expect(job.state).toBe(may ? to : from);
        if (isEnd(from)) expect(job.state).toBe(from);
      }
    }),
  );
});
