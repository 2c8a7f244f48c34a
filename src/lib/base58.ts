// Base58: bytes as Bitcoin and Solana write them for people, without 0, O, I and l.

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/** Longer texts are no keys, hashes or signatures, and take quadratic time to read. */
const MAX_CHARACTERS = 128;

export function toBase58(bytes: Uint8Array): string {
  const digits: number[] = [];
  for (const byte of bytes) {
    let carry = byte;
    for (let at = 0; at < digits.length; at += 1) {
      carry += (digits[at] ?? 0) << 8;
      digits[at] = carry % 58;
      carry = Math.trunc(carry / 58);
    }
    for (; carry > 0; carry = Math.trunc(carry / 58)) digits.push(carry % 58);
  }
  const zeros = leading(bytes, 0);
  return (
    "1".repeat(zeros) +
    digits
      .reverse()
      .map((digit) => ALPHABET.charAt(digit))
      .join("")
  );
}

/** Null for what is not base58, or longer than any key or signature. */
export function fromBase58(text: string): Uint8Array | null {
  if (text.length > MAX_CHARACTERS) return null;
  const bytes: number[] = [];
  for (const character of text) {
    let carry = ALPHABET.indexOf(character);
    if (carry < 0) return null;
    for (let at = 0; at < bytes.length; at += 1) {
      carry += (bytes[at] ?? 0) * 58;
      bytes[at] = carry & 0xff;
      carry >>= 8;
    }
    for (; carry > 0; carry >>= 8) bytes.push(carry & 0xff);
  }
  const zeros = leading([...text], "1");
  return new Uint8Array([...new Uint8Array(zeros), ...bytes.reverse()]);
}

function leading<T>(items: Iterable<T>, same: T): number {
  let count = 0;
  for (const item of items) {
    if (item !== same) break;
    count += 1;
  }
  return count;
}
