// Model href: where a model has its page, and where it is chatted with. Names may hold slashes, which stay in a path; and
// halves of signs, which no address takes.

const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());

export const modelHref = (name: string): string => `/models/${name.split("/").map(encoded).join("/")}`;
export const playgroundHref = (model: string): string => `/playground?model=${encoded(model)}`;
