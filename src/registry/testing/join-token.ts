// Join token: one that a test needs and that nothing is in the way of.
import { createJoinToken } from "../join-tokens.ts";

export async function joinToken(...wanted: Parameters<typeof createJoinToken>) {
  const made = await createJoinToken(...wanted);
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
