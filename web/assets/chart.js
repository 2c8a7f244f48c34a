// <time-chart>: a uPlot over the table inside it. A custom element, so that any swap starts and ends it; colours come
// from the legend of the card it stands in.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const DASHES = [undefined, [6, 4], [2, 3]];
const LONG_S = 172_800;

const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
/** A cell without a value is a gap. */
const cellValue = (cell) => {
  const text = cell.dataset.v ?? cell.textContent;
  return text.trim() === "" || text === "–" ? null : Number(text);
};

/** The axis has some width, even where there is one moment only. */
const LEAST_S = 600;
const spanned = (_, least, most) => {
  const end = most ?? Date.now() / 1000;
  return [Math.min(least ?? end, end - LEAST_S), end];
};

class TimeChart extends HTMLElement {
  connectedCallback() {
    if (this.plot) return;
    const rows = [...this.querySelectorAll("tbody tr")].map((row) => [...row.cells].map(cellValue));
    const columns = this.querySelectorAll("thead th").length;
    this.data = Array.from({ length: columns }, (_, i) => rows.map((row) => row[i] ?? null));
    this.box = this.querySelector(".plot");
    this.draw();
    this.size = new ResizeObserver(() => this.plot?.setSize(this.room()));
    this.size.observe(this.box);
    // uPlot paints on canvas: painted anew with the colours of the other theme.
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.draw();
    this.scheme.addEventListener("change", this.repaint);
    if (!this.dataset.event) return;
    this.push = (event) => this.add(JSON.parse(event.detail.data));
    document.addEventListener(this.dataset.event, this.push);
  }
  disconnectedCallback() {
    this.size?.disconnect();
    this.theme?.disconnect();
    this.scheme?.removeEventListener("change", this.repaint);
    if (this.push) document.removeEventListener(this.dataset.event, this.push);
    this.plot?.destroy();
    this.plot = null;
  }
  /** hx-preserve moves it without a restart. */
  connectedMoveCallback() {}
  room() {
    return { width: this.box.clientWidth, height: this.box.clientHeight };
  }
  /** With one moment only, uPlot shows a day: a second one, of nothing, is put before it. */
  shown() {
    const [times, ...columns] = this.data;
    if (times.length !== 1) return this.data;
    return [[times[0] - LEAST_S, times[0]], ...columns.map(([value]) => [null, value])];
  }
  draw() {
    const css = getComputedStyle(this);
    const font = `12px ${css.fontFamily}`;
    const keys = [...this.closest(".card").querySelectorAll(".legend i")].map((key) => getComputedStyle(key));
    const axis = { stroke: css.color, font, grid: { stroke: css.borderTopColor, width: 1 }, ticks: { show: false } };
    const max = Number(this.dataset.max) || 0;
    const times = this.data[0];
    const format = times.at(-1) - times[0] > LONG_S ? calendar : clock;
    this.plot?.destroy();
    this.plot = new uPlot(
      {
        ...this.room(),
        legend: { show: false },
        cursor: { points: { size: 7 }, y: false },
        padding: [8, 18, 0, 0],
        scales: {
          x: { range: spanned },
          y: { range: (_, _least, most) => [0, max || Math.max((most ?? 0) * 1.15, 1)] },
        },
        axes: [
          { ...axis, size: 26, space: 80, values: (_, at) => at.map((s) => format.format(s * 1000)) },
          { ...axis, size: 46, space: 40, values: (_, at) => at.map(grouped) },
        ],
        series: [
          {},
          ...this.data.slice(1).map((_, i) => ({
            stroke: keys[i]?.color ?? css.color,
            width: 1.75,
            dash: DASHES[i],
            points: { show: times.length === 1 },
            fill: i === 0 ? keys[0]?.color.replace(/^rgb\((.+)\)$/, "rgba($1, .1)") : undefined,
          })),
        ],
      },
      this.shown(),
      this.box,
    );
  }
  add([second, ...values]) {
    const [times] = this.data;
    // A stream that was opened anew says its newest again; a span that was under way may have more now.
    if (times.length > 0 && second < times.at(-1)) return;
    if (second === times.at(-1)) for (const column of this.data) column.pop();
    const keep = Number(this.dataset.keep) || 300;
    [second, ...values].forEach((value, i) => {
      this.data[i]?.push(value);
      if (this.data[i]?.length > keep) this.data[i].shift();
    });
    this.plot.setData(this.shown());
  }
}
customElements.define("time-chart", TimeChart);
