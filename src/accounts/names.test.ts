import { expect, test } from "bun:test";
import { asName, nameSchema } from "./names.ts";

test("a name is one line in any script, without what databases cut and terminals obey", () => {
  for (const name of ["Anna", "  Łukasz ", "王芳", "O'Neil <b>", "😀".repeat(64)])
    expect(nameSchema.parse(name)).toBe(name.trim());
  for (const name of ["", "   ", "a\u0000b", "a\nb", "a\u001b[31m", "a\u0085b", "half \ud800", "x".repeat(129)])
    expect(nameSchema.safeParse(name).success).toBe(false);
});

test("what a provider calls somebody becomes a name", () => {
  for (const text of ["Anna", "a\u0000b\nc", `${"x".repeat(127)}😀`])
    expect(nameSchema.safeParse(asName(text)).success).toBe(true);
  expect(asName("a\u0000b")).toBe("a b");
});
