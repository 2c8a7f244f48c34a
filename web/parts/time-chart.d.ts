// The custom element of assets/chart.js.
import "hono/jsx";

declare module "hono/jsx" {
  namespace JSX {
    interface IntrinsicElements {
      "time-chart": Record<string, unknown>;
    }
  }
}
