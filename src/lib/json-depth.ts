// JSON depth: how deep a text is nested, seen before it is parsed. A parser makes an object of every bracket, a hundred
// bytes of memory of one byte of text, so what may come from anybody is looked at first.

const OPENING = /[[{]/g;
function nextOpening(text: string, from: number): number {
  OPENING.lastIndex = from;
  return OPENING.exec(text)?.index ?? -1;
}

/** Whether lists and objects in this text are nested deeper than so many levels. What is no JSON may be either. */
export function isDeeper(text: string, levels: number): boolean {
  // Most texts cannot be deep: there are not that many opening brackets in them.
  let opened = 0;
  for (let i = nextOpening(text, 0); i >= 0 && opened <= levels; i = nextOpening(text, i + 1)) opened++;
  if (opened <= levels) return false;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i++;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 91 || code === 123) {
      if (++depth > levels) return true;
    } else if (code === 93 || code === 125) depth--;
  }
  return false;
}
