// The custom element of assets/prices.js.
import "hono/jsx";

declare module "hono/jsx" {
  namespace JSX {
    interface IntrinsicElements {
      "price-table": Record<string, unknown>;
    }
  }
}
