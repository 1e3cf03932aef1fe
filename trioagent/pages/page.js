// One time axis for the drawing, the texts on it, the sound and the table of events.
// Times are seconds of the recording; the sound begins at `page.start`.
"use strict";
{
  const byId = (id) => document.getElementById(id);
  const page = JSON.parse(byId("drawing").textContent);
  const plot = byId("plot");
  const over = byId("over");
  const cursor = byId("cursor");
  const audio = byId("audio");
  const rows = [...document.querySelectorAll("#events tr")];
  const times = rows.map((row) => Number(row.dataset.t));
  const hidden = new Set();
  const CLICK_PX = 4;
  const NARROWEST_S = 0.02;
  // A text in less room than this says nothing.
  const NARROWEST_PX = 28;
  // A text has at most this share of the axis.
  const WIDEST = 0.4;
  const SAME_PX = 3;
  const MOST_TOLD = 10;
  // So much is shown around an event that was chosen in the table.
  const AROUND_S = 1.2;

  // --- the visible part of the axis ----------------------------------------------

  const range = () => plot.layout.xaxis.range.map(Number);
  const toPx = (t) => {
    const [from, to] = range();
    return ((t - from) / (to - from)) * over.clientWidth;
  };
  const [first, last] = page.figure.layout.xaxis.range;
  const show = (from, to) => {
    const width = Math.min(last - first, Math.max(NARROWEST_S, to - from));
    const middle = (from + to) / 2;
    const left = Math.min(Math.max(first, middle - width / 2), last - width);
    return Plotly.relayout(plot, {"xaxis.range": [left, left + width]});
  };
  const zoom = (factor) => {
    const [from, to] = range();
    const here = now() > from && now() < to ? now() : (from + to) / 2;
    show(here - (here - from) * factor, here + (to - here) * factor);
  };

  // --- texts ---------------------------------------------------------------------

  const widths = document.createElement("canvas").getContext("2d");
  const texts = page.labels.map((label) => {
    const span = document.createElement("span");
    span.textContent = label.text;
    span.className = label.look;
    byId("texts").append(span);
    const style = getComputedStyle(span);
    widths.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    return {...label, span, width: widths.measureText(label.text).width + 10};
  });
  // The weightier ones choose their places first.
  const inTurn = [...texts].sort((a, b) => b.weight - a.weight || a.x - b.x);

  const placeOne = (label, taken) => {
    const left = toPx(label.x);
    if (hidden.has(label.key) || left > over.clientWidth) return null;
    if (label.end !== null) {
      // On a bar: within it, and within what is visible of it.
      const from = Math.max(left, 0);
      const width = Math.min(toPx(label.end), over.clientWidth) - from;
      const enough = Math.min(NARROWEST_PX, label.width);
      return width < enough ? null : {left: from, top: label.tops[0], width};
    }
    if (left < 0) return null;
    // At the right edge, it may stand before its time.
    const width = Math.min(label.width, over.clientWidth * WIDEST);
    const fits = left + width <= over.clientWidth;
    if (!fits && label.stays) return null;
    const from = fits ? left : left - width;
    for (const top of label.tops) {
      const line = taken.get(top) ?? [];
      if (line.every(([a, b]) => from + width <= a || from >= b)) {
        taken.set(top, [...line, [from, from + width]]);
        return {left: from, top, width};
      }
    }
    return null;
  };
  const place = () => {
    const taken = new Map();
    for (const label of inTurn) {
      const found = placeOne(label, taken);
      label.span.hidden = found === null;
      if (found === null) continue;
      label.span.style.left = `${found.left}px`;
      label.span.style.top = `${found.top}px`;
      label.span.style.maxWidth = `${found.width}px`;
    }
    moveCursor();
  };

  // --- the sound and the cursor --------------------------------------------------

  const now = () => page.start + audio.currentTime;
  const seek = (t) => {
    audio.currentTime = Math.min(Math.max(0, t - page.start), page.end - page.start);
    moveCursor();
  };
  let current = null;
  let chosen = null;
  const markRow = () => {
    // The last event that has happened.
    let index = times.findIndex((t) => t > now() + 0.0005);
    index = (index < 0 ? times.length : index) - 1;
    // Of several at the same time, it is the one that was chosen.
    const near = chosen && Math.abs(Number(chosen.dataset.t) - now()) < 0.001;
    const row = near ? chosen : (rows[index] ?? null);
    if (row === current) return;
    current?.classList.remove("now");
    row?.classList.add("now");
    current = row;
    if (row && !audio.paused) {
      const box = byId("scroll");
      box.scrollTop = row.offsetTop - box.clientHeight / 2;
    }
  };
  const moveCursor = () => {
    const left = toPx(now());
    cursor.style.transform = `translateX(${left - 1}px)`;
    cursor.dataset.t = now().toFixed(3);
    const length = (page.end - page.start).toFixed(2);
    byId("clock").textContent = `${audio.currentTime.toFixed(2)} / ${length} s`;
    markRow();
  };
  const follow = () => {
    moveCursor();
    const [from, to] = range();
    if (now() > to && to < page.end) show(now(), now() + to - from);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  const toggle = () => (audio.paused ? audio.play() : audio.pause());
  const showState = () => {
    byId("play").textContent = audio.paused ? "\u25b6" : "\u275a\u275a";
    byId("play").setAttribute("aria-label", audio.paused ? "play" : "pause");
  };
  audio.addEventListener("play", () => { showState(); follow(); });
  for (const what of ["pause", "ended", "seeked", "timeupdate"]) {
    audio.addEventListener(what, () => { showState(); moveCursor(); });
  }
  byId("play").addEventListener("click", toggle);
  byId("speed").addEventListener("change", (event) => {
    audio.playbackRate = Number(event.target.value);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("button, input, select, a, tr")) return;
    if (event.key === " ") toggle();
    else if (event.key === "ArrowLeft") seek(now() - 0.1);
    else if (event.key === "ArrowRight") seek(now() + 0.1);
    else return;
    event.preventDefault();
  });

  // --- what is under the pointer -------------------------------------------------

  const tip = byId("tip");
  // Many things happen within a pixel: all of them are told.
  const around = (point) => {
    if (point.data.type === "bar") {
      const start = point.data.base[point.pointIndex ?? point.pointNumber];
      return [`${start.toFixed(3)} s: ${point.customdata}`];
    }
    const ticks = plot.data.filter((trace) => trace.mode === "none");
    const found = ticks.flatMap((trace) => trace.x
      .map((x, i) => ({x, y: trace.y[i], text: trace.customdata[i]}))
      .filter((tick) => tick.y === point.y
        && Math.abs(toPx(tick.x) - toPx(point.x)) <= SAME_PX));
    return found.sort((a, b) => a.x - b.x).slice(0, MOST_TOLD).map((tick) => tick.text);
  };
  const tell = ({points, event}) => {
    const told = points.filter((point) => point.customdata !== undefined);
    tip.hidden = told.length === 0;
    if (tip.hidden) return;
    tip.textContent = around(told[0]).join("\n");
    const box = byId("stage").getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const most = box.width - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(0, Math.min(x + 14, most))}px`;
    tip.style.top = `${y + 16}px`;
  };

  // --- what can be clicked -------------------------------------------------------

  byId("in").addEventListener("click", () => zoom(0.5));
  byId("out").addEventListener("click", () => zoom(2));
  byId("whole").addEventListener("click", () => show(first, last));
  let pressed = null;
  byId("stage").addEventListener("pointerdown", (event) => {
    pressed = event.button === 0 ? event.clientX : null;
  }, true);
  // While the mouse is down, plotly lays something of its own over the page.
  document.addEventListener("pointerup", (event) => {
    const start = pressed;
    pressed = null;
    if (start === null || Math.abs(event.clientX - start) > CLICK_PX) return;
    const box = over.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const [from, to] = range();
    if (share >= 0 && share <= 1) seek(from + share * (to - from));
  }, true);
  const choose = (row) => {
    chosen = row;
    const t = Number(row.dataset.t);
    const [from, to] = range();
    const half = Math.min(to - from, AROUND_S) / 2;
    show(t - half, t + half);
    seek(t);
  };
  for (const row of rows) {
    row.addEventListener("click", () => choose(row));
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      choose(row);
    });
  }
  byId("partials").addEventListener("change", (event) => {
    byId("events").classList.toggle("few", !event.target.checked);
  });
  for (const button of document.querySelectorAll("#legend button")) {
    button.addEventListener("click", () => {
      const key = button.dataset.key;
      const off = !hidden.delete(key);
      if (off) hidden.add(key);
      button.setAttribute("aria-pressed", String(!off));
      const which = plot.data.flatMap((trace, i) => (trace.meta === key ? [i] : []));
      Plotly.restyle(plot, {visible: !off}, which);
      place();
    });
  }
  const showTurn = () => {
    const turn = document.querySelector(`.turn[data-turn="${location.hash.slice(6)}"]`);
    if (!location.hash.startsWith("#turn-") || !turn) return;
    const [from, to] = [Number(turn.dataset.start), Number(turn.dataset.end)];
    show(from - 0.15, to + 0.15);
    seek(from);
  };
  addEventListener("hashchange", showTurn);

  const config = {displayModeBar: false, responsive: true, doubleClick: "reset"};
  const {data, layout} = page.figure;
  Plotly.newPlot(plot, data, layout, config).then(() => {
    plot.on("plotly_relayout", place);
    plot.on("plotly_relayouting", place);
    plot.on("plotly_hover", tell);
    plot.on("plotly_unhover", () => { tip.hidden = true; });
    new ResizeObserver(place).observe(over);
    place();
    showTurn();
    document.body.dataset.ready = "yes";
  });
}
