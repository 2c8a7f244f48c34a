// PNG: a picture of two colours, as the PNG specification (third edition) has it: greyscale, one bit a pixel.
import { crc32, deflateSync } from "node:zlib";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A square picture; `dark`: by row and column, each of `scale` by `scale` pixels. */
export function pngOf(dark: readonly (readonly boolean[])[], scale: number): Uint8Array {
  const side = dark.length * scale;
  // Each line begins with its filter, none.
  const lineBytes = 1 + Math.ceil(side / 8);
  const lines = new Uint8Array(side * lineBytes);
  for (let y = 0; y < side; y++) {
    const row = dark[Math.floor(y / scale)] ?? [];
    for (let x = 0; x < side; x++) {
      if (row[Math.floor(x / scale)] === true) continue;
      const at = y * lineBytes + 1 + (x >> 3);
      lines[at] = (lines[at] ?? 0) | (0x80 >> (x & 7));
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, side);
  view.setUint32(4, side);
  header[8] = 1;
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("IDAT", deflateSync(lines)), chunk("IEND")]);
}

function chunk(type: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(12 + data.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.byteLength);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.byteLength, crc32(bytes.subarray(4, 8 + data.byteLength)));
  return bytes;
}
