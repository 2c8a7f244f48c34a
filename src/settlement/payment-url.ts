// Payment URL: a transfer request as the Solana Pay specification writes it (version 1.1, "Transfer Request"), and as a QR
// code for a phone's wallet.
import type { Address } from "../solana/chain.ts";

export type TransferRequest = {
  /** A wallet, never a token account: the payer's wallet derives that. */
  recipient: Address;
  /** Base units; null: the payer decides. */
  amount: bigint | null;
  decimals: number;
  mint: Address;
  /** Rides along in the transfer, so that the payment can be found. */
  reference: Address;
  /** Who asks, what for, and what is to stand on the chain. */
  label: string;
  message: string;
  memo?: string;
};

/** `solana:<recipient>?amount=…&spl-token=…&reference=…&label=…&message=…`. */
export function paymentUrl({ recipient, amount, decimals, mint, reference, label, message, memo }: TransferRequest) {
  const fields: [string, string][] = [
    ...(amount === null ? [] : [["amount", decimalText(amount, decimals)] as [string, string]]),
    ["spl-token", mint],
    ["reference", reference],
    ["label", label],
    ["message", message],
    ...(memo === undefined ? [] : [["memo", memo] as [string, string]]),
  ];
  // Spaces as %20: wallets do not all read a + as one.
  return `solana:${recipient}?${fields.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&")}`;
}

/** "user units": no exponent, a 0 before the point, nothing behind it that is not needed. */
export function decimalText(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, "0");
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  const whole = digits.slice(0, digits.length - decimals);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** `M`: little is lost where a corner of the code is. `border`: the quiet zone, which readers want. */
const CODE = { ecc: "M", border: 2 } as const;

/** Rectangle and path without a style, black on white in every theme. */
export async function qrSvg(text: string): Promise<string> {
  const { renderSVG } = await import("uqr");
  return renderSVG(text, { ...CODE, pixelSize: 4 });
}

/** Pixels of the side, about. */
const PNG_SIDE = 512;

export async function qrPng(text: string): Promise<Uint8Array> {
  const [{ encode }, { pngOf }] = await Promise.all([import("uqr"), import("../lib/png.ts")]);
  const { data, size } = encode(text, CODE);
  return pngOf(data, Math.max(1, Math.round(PNG_SIDE / size)));
}

/** White on black, whatever the terminal's own colours are. */
const LIGHT_ON_DARK = "\u001b[97;40m";
const PLAIN = "\u001b[0m";

/** For a terminal: two rows of the code in a line. Without `colors` it is right on dark terminals only. */
export async function qrText(text: string, { colors }: { colors: boolean }): Promise<string> {
  const { renderUnicodeCompact } = await import("uqr");
  const lines = renderUnicodeCompact(text, CODE).split("\n");
  return lines.map((line) => (colors ? `${LIGHT_ON_DARK}${line}${PLAIN}\n` : `${line}\n`)).join("");
}
