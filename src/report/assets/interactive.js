// Draws the charts of the page again so that one can zoom and read values. Every figure that can be drawn so
// carries its numbers as JSON; this script knows how to draw lines and nothing of what they mean. Without it
// the drawings stay as they are, and on paper they are what is printed.
(function () {
  "use strict";
  if (typeof uPlot === "undefined") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // Charts that are not over time are drawn again only where the drawing would be too small to read, as in page.css.
  const narrow = matchMedia("(max-width: 520px)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const all = [];
  let figures = [];

  // Numbers, shares, durations and instants as text: the same rules as in src/formatting.rs, but instants without "min" and "h".
  const count = (whole) => String(whole).replace(/\B(?=(\d{3})+$)/g, ",");
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  function number(value) {
    const size = Math.abs(value);
    if (!Number.isFinite(size)) return "unbounded";
    if (size >= 99.95) return (value < 0 ? "-" : "") + count(Math.round(size));
    if (size >= 9.995 || size === 0) return trimmed(value.toFixed(1));
    if (size >= 0.1) return trimmed(value.toFixed(2));
    if (size >= 1e-6) return trimmed(value.toFixed(1 - Math.floor(Math.log10(size))));
    return value.toExponential(0);
  }
  function percent(share) {
    const value = share * 100;
    let text = trimmed(value.toFixed((value >= 1 && value < 99) || value > 100 ? 1 : 2));
    if (value >= 99.995 && share < 1) text = "> 99.99";
    if (value > 0 && value < 0.005) text = "< 0.01";
    return text + " %";
  }
  function duration(seconds) {
    const two = (large, unit, rest, part) => large + " " + unit + (rest === 0 ? "" : " " + rest + " " + part);
    if (seconds <= 0) return "0 s";
    if (seconds < 0.0009995) return Math.round(seconds * 1e6) + " µs";
    if (seconds < 0.9995) return number(seconds * 1e3) + " ms";
    if (seconds < 99.95) return number(seconds) + " s";
    const whole = Math.round(seconds), parts = (unit) => Math.floor(whole / unit);
    if (whole < 3600) return two(parts(60), "min", whole % 60, "s");
    if (whole < 172800) return two(parts(3600), "h", parts(60) % 60, "min");
    return two(parts(86400), "d", parts(3600) % 24, "h");
  }
  const up = {
    per_minute: (v) => number(v) + "/min", share: percent, seconds: duration, usd_per_hour: (v) => number(v) + " USD/h",
  };
  const short = (v) => (v < 60 ? duration(v) : v < 3600 ? number(v / 60) + " min" : number(v / 3600) + " h");
  const ticks = { per_minute: number, share: percent, seconds: short, usd_per_hour: number };
  const two = (value) => String(value).padStart(2, "0");
  // `starts`: local times of the start of the run, in seconds since 1970 as if they were UTC, each with the time from which it applies.
  function moment(at, length, starts) {
    const start = (starts || []).filter(([from]) => from <= at).pop();
    if (start) return new Date((start[1] + at) * 1e3).toISOString().slice(0, length <= 7200 ? 19 : 16).replace("T", " ");
    const whole = Math.floor(Math.max(at, 0) + 1e-6), hour = Math.floor(whole / 3600);
    const clock = two(hour % 24) + ":" + two(Math.floor((whole % 3600) / 60));
    if (length <= 120) return number(at) + " s";
    if (length <= 7200) return Math.floor(whole / 60) + ":" + two(whole % 60);
    if (length <= 90000) return two(hour) + ":" + two(Math.floor((whole % 3600) / 60));
    return "day " + (Math.floor(whole / 86400) + 1) + " " + clock;
  }
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200];
  const TIMES = [0.1, 0.2, 0.5].concat(STEPS, [1, 2, 5, 10, 20, 50, 100].map((days) => days * 86400));

  function line(of, panel) {
    const colour = of.colours[dark.matches ? 1 : 0];
    const shape = { label: of.name, stroke: colour, width: 2, points: { show: false } };
    // Without a pointer the legend only names the lines. The name of a level has its value.
    shape.value = (_, value, series, index) =>
      index == null || of.shape === "dashes" ? "" : value == null ? "–" : up[panel.up](value);
    shape.spanGaps = false;
    if (of.shape === "wide") shape.width = 4;
    if (of.shape === "thin") shape.width = 1;
    if (of.shape === "area") shape.fill = colour + (panel.up === "share" ? "66" : "24");
    if (of.shape === "dashes") Object.assign(shape, { width: 1, dash: [6, 4] });
    // A value without neighbours would be no line at all.
    const alone = (i) => of.values[i] != null && of.values[i - 1] == null && of.values[i + 1] == null;
    if (of.values.some((_, i) => alone(i)))
      shape.points = { show: true, size: 5, filter: (_, n, show) => (show ? of.values.map((_, i) => i).filter(alone) : []) };
    return shape;
  }

  const nameRows = (model) => Math.min(model.bands.length, 2);

  // Shades the bands of a chart behind its lines; their names are in the first panel, each at its band.
  function bands(plot, model, named) {
    const { ctx, bbox } = plot, ratio = devicePixelRatio || 1;
    // The lines of text for names, from the one next to the axes, and where each is free.
    const free = Array(nameRows(model)).fill(bbox.left);
    ctx.save();
    ctx.font = 12 * ratio + "px system-ui, sans-serif";
    ctx.textBaseline = "top";
    for (const band of [...model.bands].sort((a, b) => a.from - b.from)) {
      const place = (at) => Math.min(Math.max(plot.valToPos(at, "x", true), bbox.left), bbox.left + bbox.width);
      const left = place(band.from), right = place(band.to);
      if (band.to < plot.scales.x.min || band.from > plot.scales.x.max) continue;
      ctx.globalAlpha = band.to > band.from ? 0.3 : 0.9;
      ctx.fillStyle = band.colours[dark.matches ? 1 : 0];
      ctx.fillRect(left, bbox.top, Math.max(right - left, 1.5 * ratio), bbox.height);
      const width = ctx.measureText(band.name).width;
      const end = bbox.left + bbox.width - width;
      const beside = (from) => Math.max(Math.min((left + right - width) / 2, end), from);
      const row = free.findIndex((from) => beside(from) <= Math.min(right, end));
      if (!named || row < 0) continue;
      const at = beside(free[row]);
      ctx.globalAlpha = 1;
      ctx.fillStyle = css("--muted");
      ctx.fillText(band.name, at, bbox.top - 15 * (row + 1) * ratio);
      free[row] = at + width + 12 * ratio;
    }
    ctx.restore();
  }

  function zoom(min, max) {
    for (const plot of all) plot.setScale("x", { min, max });
  }

  // A finger reads values; two fingers zoom. Scrolling the page stays what it is.
  function touch(plot, length) {
    const fingers = new Map();
    let before = null;
    const over = plot.over;
    over.style.touchAction = "pan-y";
    const left = (event) => event.clientX - over.getBoundingClientRect().left;
    function span() {
      const [a, b] = [...fingers.values()].sort((a, b) => a - b);
      return [a, b];
    }
    over.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") return;
      fingers.set(event.pointerId, left(event));
      if (fingers.size === 2) before = span().map((x) => plot.posToVal(x, "x"));
    });
    over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, left(event));
      if (fingers.size === 1) plot.setCursor({ left: left(event), top: over.clientHeight / 2 }, true, true);
      if (fingers.size !== 2 || !before) return;
      const [a, b] = span();
      if (b - a < 12) return;
      const scale = (before[1] - before[0]) / (b - a);
      const min = Math.max(0, before[0] - a * scale);
      zoom(min, Math.min(length, min + over.clientWidth * scale));
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"])
      over.addEventListener(end, (event) => {
        fingers.delete(event.pointerId);
        before = null;
      });
  }

  function draw(figure, model, panel, first, last) {
    const holder = document.createElement("div");
    const head = document.createElement("div");
    holder.className = "panel";
    head.className = "head";
    if (panel.name) head.append(Object.assign(document.createElement("b"), { textContent: panel.name }));
    holder.append(head);
    figure.append(holder);
    const muted = css("--muted"), grid = { stroke: css("--line"), width: 1 };
    const font = "12px system-ui, sans-serif";
    const small = panel.height < 120;
    const overTime = model.across === "time";
    const across = overTime ? moment : number;
    // The space of a label on a time axis: `day 1 00:00` and dates are longer than times.
    const labelled = (model.starts || []).length > 0 ? 120 : model.length > 90000 ? 86 : 50;
    const range = (_, low, high) => {
      if (high == null) return [0, panel.top || 1];
      if (panel.logarithmic) return uPlot.rangeLog(low, high, 10, false);
      // Shares far above 100 % would flatten the rest; the legend shows them.
      if (panel.up === "share") return [0, Math.min(Math.max(panel.top, high), 1.5) * 1.04];
      return [0, Math.max(panel.top, high) * 1.04 || 1];
    };
    const options = {
      width: figure.clientWidth,
      height: panel.height + (last ? 22 : 0),
      padding: [8 + (first ? 13 * nameRows(model) : 0), Math.max(20, labelled / 2 - 6), last ? 0 : 8, 0],
      scales: { x: { time: false }, y: { distr: panel.logarithmic ? 3 : 1, range } },
      cursor: {
        sync: { key: "run", scales: ["x", null] },
        drag: { x: true, y: false },
        y: false,
        points: { size: 6 },
      },
      legend: {
        mount: (_, legend) => head.append(legend),
        markers: { width: 0, fill: (_, i) => panel.lines[i - 1].colours[dark.matches ? 1 : 0] },
      },
      axes: [
        {
          stroke: muted, font, grid: { show: false }, ticks: last ? grid : { show: false }, show: true, size: last ? 30 : 8,
          ...(overTime ? { incrs: TIMES, space: labelled } : {}),
          values: (_, at) => at.map((x) => (last ? across(x, model.length, model.starts) : "")),
        },
        {
          stroke: muted, font, grid, ticks: { show: false }, size: 64, space: small ? 26 : 40,
          values: (_, at) => at.map((y) => (y == null ? "" : ticks[panel.up](y))),
        },
      ],
      series: [
        { label: overTime ? "at" : "load", value: (_, x) => (x == null ? "" : across(x, model.length, model.starts)) },
        ...panel.lines.map((of) => line(of, panel)),
      ],
      hooks: {
        drawClear: [(plot) => bands(plot, model, first)],
        setScale: [
          (plot, key) => {
            if (key !== "x" || plot.following) return;
            const { min, max } = plot.scales.x;
            for (const other of all) {
              if (other === plot || (other.scales.x.min === min && other.scales.x.max === max)) continue;
              other.following = true;
              other.setScale("x", { min, max });
              queueMicrotask(() => (other.following = false));
            }
          },
        ],
      },
    };
    options.scales.x.range = (_, min, max) =>
      min == null || max - min <= 0 ? [0, model.length] : [min, max];
    const plot = new uPlot(options, [model.x, ...panel.lines.map((of) => of.values)], holder);
    plot.overTime = overTime;
    plot.setScale("x", { min: 0, max: model.length });
    plot.over.addEventListener("dblclick", () => setTimeout(() => zoom(0, model.length)));
    touch(plot, model.length);
    all.push(plot);
    return plot;
  }

  function build() {
    for (const { plots, container } of figures) {
      plots.forEach((plot) => plot.destroy());
      container.parentElement.classList.remove("drawn");
      container.remove();
    }
    figures = [];
    all.length = 0;
    for (const source of document.querySelectorAll("script.numbers")) {
      const model = JSON.parse(source.textContent);
      if (model.across !== "time" && !narrow.matches) continue;
      const container = document.createElement("div");
      container.className = "interactive";
      source.before(container);
      source.parentElement.classList.add("drawn");
      const plots = model.panels.map((panel, i) => draw(container, model, panel, i === 0, i === model.panels.length - 1));
      figures.push({ plots, container });
    }
    const first = figures.length > 0 && all.some((plot) => plot.overTime) && figures[0].container;
    const hint = "Drag (or pull two fingers apart) to zoom all charts over time; a double click shows the whole run.";
    if (first) first.append(Object.assign(document.createElement("p"), { className: "note", textContent: hint }));
  }

  build();
  dark.addEventListener("change", build);
  narrow.addEventListener("change", build);
  let resizing = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(resizing);
    resizing = requestAnimationFrame(() => {
      for (const { plots, container } of figures)
        for (const plot of plots) plot.setSize({ width: container.clientWidth, height: plot.height });
    });
  });
})();
