// Typed settings: what the page writes may be typed, and nothing is taken for another figure than it is.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { settingText } from "../../../web/parts/setting-text.ts";
import { fieldText, fromField, type TypedKey } from "./typed.ts";

const integer = (unit: TypedKey["unit"]): TypedKey => ({
  ...{ kind: "integer", nullable: false, min: 0, max: Number.MAX_SAFE_INTEGER },
  unit,
});
const PRICE = integer({ text: "per million tokens", sign: "$", digits: 6 });
const SHARE = integer({ text: "%", sign: "", digits: 2 });
const SECONDS = integer({ text: "seconds", sign: "", digits: 0 });

test.each([PRICE, SHARE])("a figure as its field or its sentence has it is read as what it stands for", (key) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      for (const text of [fieldText(key, value), settingText(key, value)]) {
        expect(fromField(key, text)).toEqual({ ok: true, value: { value } });
      }
    }),
  );
});

test("whole figures may have their digits in groups, too", () => {
  expect(fromField(SECONDS, "86 400 seconds")).toEqual({ ok: true, value: { text: "86400" } });
});

test.each(["1,5", "1e3", "-0", "-1", "1 5", "1 0000", "$$2", "0.0000001", "99999999999999999999", "", "5 %", "\u0661"])(
  "%p is no price",
  (text) => expect(fromField(PRICE, text).ok).toBe(false),
);
