import { expect, test } from "bun:test";
import { createSilence } from "./silence.ts";

function silenceAt() {
  const clock = { ms: 0 };
  const silence = createSilence(() => clock.ms);
  const ask = () => {
    const asked = Promise.withResolvers<void>();
    return { ...asked, answered: silence.during(() => asked.promise).catch(() => "failed") };
  };
  return { clock, silence, ask };
}

test("nobody who asks nothing hears silence", () => {
  const { clock, silence } = silenceAt();
  clock.ms = 60_000;
  expect(silence.ms()).toBe(0);
});

test("silence lasts from the first question that is not answered, and any answer breaks it", async () => {
  const { clock, silence, ask } = silenceAt();
  clock.ms = 1_000;
  const slow = ask();
  clock.ms = 4_000;
  expect(silence.ms()).toBe(3_000);
  const quick = ask();
  expect(silence.ms()).toBe(3_000);
  quick.resolve();
  await quick.answered;
  expect(silence.ms()).toBe(0);
  clock.ms = 5_000;
  // The other is slow, and not more than that.
  expect(silence.ms()).toBe(1_000);
  slow.resolve();
  await slow.answered;
  clock.ms = 9_000;
  expect(silence.ms()).toBe(0);
});

test("a question that fails breaks no silence while another waits", async () => {
  const { clock, silence, ask } = silenceAt();
  const [first, second] = [ask(), ask()];
  clock.ms = 20_000;
  first.reject(new Error("timed out"));
  expect(await first.answered).toBe("failed");
  expect(silence.ms()).toBe(20_000);
  second.reject(new Error("timed out"));
  await second.answered;
  // Nobody knows until somebody asks again.
  expect(silence.ms()).toBe(0);
});
