// Embedding text: a vector as it travels, base64 of little-endian 32-bit floats (OpenAI: `encoding_format: "base64"`).

const MAX_DIMENSIONS = 32_768;

/** Null where it is no vector: empty, too long, or with something else than finite numbers. */
export function embeddingText(vector: unknown): string | null {
  if (!Array.isArray(vector) || vector.length === 0 || vector.length > MAX_DIMENSIONS) return null;
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [i, value] of vector.entries()) {
    if (typeof value !== "number" || !Number.isFinite(value)) return null;
    bytes.setFloat32(i * 4, value, true);
  }
  return Buffer.from(bytes.buffer).toString("base64");
}
