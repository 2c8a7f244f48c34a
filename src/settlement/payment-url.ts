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

/** Little is lost where a corner of the code is. */
const CODE = { errorCorrectionLevel: "M", margin: 2 } as const;

export async function qrSvg(text: string): Promise<string> {
  const code = await import("qrcode");
  return code.toString(text, { ...CODE, type: "svg" });
}

export async function qrPng(text: string): Promise<Uint8Array> {
  const code = await import("qrcode");
  return new Uint8Array(await code.toBuffer(text, { ...CODE, type: "png", width: 512 }));
}

/** For a terminal: two rows of the code in a line, dark on light whatever the terminal's colours are. */
export async function qrText(text: string): Promise<string> {
  const code = await import("qrcode");
  return code.toString(text, { ...CODE, type: "utf8" });
}
