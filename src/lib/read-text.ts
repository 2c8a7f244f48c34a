// Read text: the body of another server's answer, which may be of any size, whatever it says of it.

/** The whole body as text; cut at `maxBytes`. A packed one counts by what is in it. */
export async function readText(response: Response, maxBytes: number): Promise<string> {
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  if (length <= maxBytes && !response.headers.has("content-encoding")) return await response.text();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece.subarray(0, maxBytes - bytes), { stream: true });
    bytes += piece.length;
    if (bytes >= maxBytes) break;
  }
  return text + decoder.decode();
}
