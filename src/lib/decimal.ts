// Decimal: integers that stand for so many digits behind a point, written and read exactly. No floating point.

/** The integer with so many of its digits behind the point, without zeros at the end: 1250 with 2 is "12.5". */
export function decimal(amount: bigint, behind: number): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(behind + 1, "0");
  const point = digits.length - behind;
  const fraction = digits.slice(point).replace(/0+$/, "");
  return `${amount < 0n ? "-" : ""}${digits.slice(0, point)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** What such a text stands for; undefined where it is none, has more digits behind the point, or is past 2⁵³ − 1. */
export function fromDecimal(text: string, behind: number): number | undefined {
  const match = /^(\d{1,16})(?:\.(\d+))?$/.exec(text);
  const fraction = match?.[2] ?? "";
  if (!match || fraction.length > behind) return undefined;
  const amount = BigInt(`${match[1]}${fraction.padEnd(behind, "0")}`);
  return amount <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(amount) : undefined;
}
