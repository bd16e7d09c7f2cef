// Draws the exchanges of the page: the list, the plot, and one exchange in full.
// The texts come finished from lbtrace, numbered in `strings`; whatever a capture holds becomes a
// text node, never markup. The address behind # says what is open: #pair-17, #u3, #P1.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { strings, shapes, rows } = data;
  const count = rows.name.length;
  const ROW = 26; // px of a row in the list
  const PRINTED = 200; // rows of the list on paper
  const SVG = "http://www.w3.org/2000/svg";

  function made(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function drawn(name, attributes, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // ---- names and addresses

  const places = new Map(rows.name.map((name, place) => [name, place]));
  const anchor = (place) => {
    const name = rows.name[place];
    return /^\d/.test(name) ? data.prefix + name : name;
  };
  const named = (hash) => {
    const name = decoded(hash).replace(/^#/, "");
    if (name.startsWith(data.prefix)) return name.slice(data.prefix.length);
    return /^u\d+$/.test(name) ? name : null;
  };
  function decoded(hash) {
    try {
      return decodeURIComponent(hash);
    } catch {
      return hash; // somebody typed a lone %
    }
  }

  // ---- the list

  const list = byId("list");
  const box = byId("rows");
  const find = byId("find");
  const both = list.classList.contains("both");
  let view = []; // the places of the rows that are listed
  let open = -1; // the place of the row that is shown in full
  let texts = null; // per row what a search looks at, made when somebody searches
  let lines = null; // per row the numbers of its header lines

  function prepare() {
    texts = rows.name.map((name, i) =>
      [name, strings[rows.request[i]], strings[rows.answer[i]], strings[rows.behind[i]],
        rows.frames[i], strings[rows.problems[i]]].join(" ").toLowerCase());
    lines = rows.heads.map((heads) => heads.flatMap((head) => [...head[5], ...head[6]]));
  }

  // a word of a search → whether a row has it; "P1" and "#4" are whole words
  function wanted(word) {
    const whole = /^(p\d+|#\d+)$/.test(word);
    const pattern = whole ? new RegExp(`(^|\\s)${word}(?=[\\s,]|$)`) : null;
    const has = (text) => (whole ? pattern.test(text) : text.includes(word));
    const found = new Set();
    if (!whole) strings.forEach((text, i) => text.toLowerCase().includes(word) && found.add(i));
    return (i) => has(texts[i]) || (found.size > 0 && lines[i].some((line) => found.has(line)));
  }

  function select() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !texts) prepare();
    const tests = words.map(wanted);
    const status = byId("status").value;
    const kind = byId("kind") ? byId("kind").value : "";
    const wrong = byId("wrong").checked;
    view = [];
    for (let i = 0; i < count; i++) {
      if (wrong && !rows.wrong[i]) continue;
      if (status && strings[rows.status[i]] !== status) continue;
      if (kind && strings[rows.kind[i]] !== kind) continue;
      if (tests.every((has) => has(i))) view.push(i);
    }
    byId("count").textContent = `${view.length} of ${count}`;
    list.scrollTop = 0;
    fill();
  }

  function row(place, at) {
    const cells = [rows.name[place], rows.time[place], strings[rows.request[place]],
      strings[rows.answer[place]]];
    if (both) cells.push(strings[rows.behind[place]]);
    cells.push(rows.frames[place], rows.took[place]);
    const element = made("div", {
      class: `row${place === open ? " on" : ""}${rows.wrong[place] ? " wrong" : ""}`,
      role: "option", id: `row-${place}`, "aria-selected": String(place === open),
    }, ...cells.map((text) => made("span", { title: text }, text)));
    element.style.top = `${at * ROW}px`;
    element.onclick = () => show(place);
    return element;
  }

  function fill() {
    box.style.height = `${view.length * ROW}px`; // the list is as high as that, up to a limit
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 6);
    const last = Math.min(view.length, first + Math.ceil(list.clientHeight / ROW) + 14);
    box.replaceChildren(...view.slice(first, last).map((place, i) => row(place, first + i)));
    if (open >= 0) list.setAttribute("aria-activedescendant", `row-${open}`);
  }

  function reveal(place) {
    const at = view.indexOf(place);
    if (at < 0) return;
    const top = at * ROW;
    const room = list.clientHeight - 28; // below the titles
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + room) list.scrollTop = top + ROW - room;
  }

  // ---- one exchange in full

  function show(place, quiet) {
    open = place;
    fill();
    const detail = byId("detail");
    const title = `Exchange ${rows.name[place]}: ${strings[rows.request[place]]} → ${strings[rows.answer[place]]}`;
    const link = made("a", { href: `#${anchor(place)}` }, title);
    detail.replaceChildren(
      made("h3", {}, link),
      made("p", { class: "mute" }, `at ${rows.time[place]}, took ${rows.took[place]}. ${strings[rows.why[place]]}`),
      ...troubles(place), made("div", { class: "scroll" }, ladder(rows.steps[place])),
      ...attempts(place), ...rows.heads[place].flatMap(heads), ...filters(place));
    plot();
    if (!quiet) history.replaceState(null, "", `#${anchor(place)}`);
  }

  function troubles(place) {
    const names = strings[rows.problems[place]].split(" ").filter(Boolean);
    if (!names.length) return [];
    const links = names.flatMap((name) => [made("a", { href: `#${name}` }, name), " "]);
    return [made("p", {}, "Problems: ", ...links)];
  }

  function ladder(steps) {
    const lanes = data.lanes.length;
    const left = 190, right = 90, line = 34, top = 44;
    const shaft = lanes > 2 ? 330 : 600;
    const at = data.lanes.map((_, i) => left + shaft * i);
    const rowsOf = steps.length / 5;
    const width = at[lanes - 1] + right, height = top + line * rowsOf + 18;
    const picture = drawn("svg", { class: "ladder", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "ladder of the exchange" });
    data.lanes.forEach((name, i) => picture.append(
      drawn("text", { class: "title", x: at[i], y: 22, "text-anchor": "middle" }, name),
      drawn("line", { class: "lane", x1: at[i], x2: at[i], y1: 32, y2: height - 6 })));
    for (let i = 0; i < rowsOf; i++) {
      const [way, text, time, frame, error] = steps.slice(5 * i, 5 * i + 5);
      const begin = at[Math.floor(way / 3)], end = at[way % 3], y = top + line * i + 22;
      const back = end < begin ? 8 : -8;
      const label = strings[text];
      const most = lanes > 2 ? 38 : 70;
      const written = drawn("text", { x: (begin + end) / 2, y: y - 6, "text-anchor": "middle" },
        label.length > most ? `${label.slice(0, most - 1)}…` : label);
      written.append(drawn("title", {}, label));
      picture.append(
        drawn("text", { class: "quiet", x: 8, y: y + 4 }, time), drawn("text", { x: 100, y: y + 4 }, frame), written,
        drawn("line", { class: "arrow", x1: begin, x2: end + back, y1: y, y2: y }),
        drawn("path", { class: "point", d: `M${end} ${y}l${back} -4v8z` }));
      if (strings[error]) picture.append(drawn("text", { class: "quiet", x: at[lanes - 1] + 10, y: y + 4 }, strings[error]));
    }
    return picture;
  }

  function attempts(place) {
    const tries = rows.tries[place];
    if (!tries.length) return [];
    const cells = (texts, kind) => made("tr", {}, ...texts.map((text) => made(kind, {}, text)));
    return [made("h3", {}, "Attempts"), made("div", { class: "scroll" }, made("table", {},
      made("thead", {}, cells(data.tries, "th")),
      made("tbody", {}, ...tries.map((row) => cells(row.map((i) => strings[i]), "td")))))];
  }

  // what the balancer did to a line: `came` is how it reached the balancer, `went` how it left
  const SIGNS = { added: "+", removed: "−", changed: "~", same: "" };
  function done(came, went) {
    if (came === null) return "added";
    if (went === null) return "removed";
    return came === went ? "same" : "changed";
  }

  function heads([title, request, front, behind, shape, left, right]) {
    const label = (i) => strings[i];
    const table = made("table", { class: "heads" });
    if (shape < 0) {
      table.append(made("tbody", {}, ...left.map((i) => made("tr", {}, made("td", {}, strings[i])))));
      const where = label(front) ? `, ${label(front)}` : "";
      return [made("h3", {}, `${label(title)}${where}`), table];
    }
    const line = (held, at) => (at < 0 ? null : strings[held[at]]);
    const [from, to] = request ? [left, right] : [right, left];
    table.append(
      made("thead", {}, made("tr", {}, made("th", { class: "sign" }), made("th", {}, label(front)), made("th", {}, label(behind)))),
      made("tbody", {}, ...shapes[shape].map(([came, went]) => {
        const texts = [line(from, came), line(to, went)];
        const what = done(...texts);
        const [here, there] = request ? texts : texts.reverse();
        return made("tr", { class: what }, made("td", { class: `sign ${what}` }, SIGNS[what]),
          made("td", {}, here ?? ""), made("td", {}, there ?? ""));
      })));
    return [made("h3", {}, label(title)), table];
  }

  function filters(place) {
    const rowsOf = rows.filters[place];
    if (!rowsOf.length) return [];
    return [made("h3", {}, "Wireshark"), ...rowsOf.map(([where, filter]) =>
      made("div", { class: "filter" }, made("span", { class: "mute" }, `${strings[where]} `), made("code", {}, filter)))];
  }

  // ---- the plot: when against how long, both as measured

  const canvas = byId("plot");
  const series = byId("series");
  let points = []; // [x, y, place] of what is drawn

  function plot() {
    const paint = canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    paint.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const values = rows[series.value];
    const shown = [];
    let low = Infinity, high = 0;
    for (let i = 0; i < count; i++) {
      if (values[i] === null || rows.begin[i] === null) continue;
      shown.push(i);
      if (values[i] > 0) low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    paint.font = "12px system-ui, sans-serif";
    paint.fillStyle = colour("--mute");
    points = [];
    if (!shown.length || high <= 0) {
      paint.fillText("no time of this kind is known", 16, 28);
      return;
    }
    low = 10 ** Math.floor(Math.log10(Math.max(low, 1000)));
    high = 10 ** Math.ceil(Math.log10(Math.max(high, low * 10)));
    const left = 64, right = 14, top = 12, bottom = 26;
    const x = (ns) => left + (width - left - right) * (ns / Math.max(data.window, 1));
    const y = (ns) => height - bottom - (height - top - bottom) *
      (Math.log(Math.max(ns, low) / low) / Math.log(high / low));
    paint.strokeStyle = colour("--line");
    for (const [ns, text] of data.ticks) {
      if (ns < low || ns > high) continue;
      paint.beginPath();
      paint.moveTo(left, y(ns));
      paint.lineTo(width - right, y(ns));
      paint.stroke();
      paint.fillText(text, 8, y(ns) + 4);
    }
    paint.fillText(data.ends[0], left, height - 8);
    paint.textAlign = "right";
    paint.fillText(data.ends[1], width - right, height - 8);
    paint.textAlign = "left";
    if (data.band && series.value.startsWith("way")) {
      paint.fillStyle = colour("--band");
      paint.fillRect(left, y(data.band[0]), width - left - right, height - bottom - y(data.band[0]));
      paint.fillStyle = colour("--mute");
      paint.fillText(`below: less than the error of the clocks, ${data.band[1]}`, left + 8, Math.max(y(data.band[0]) - 4, top + 10));
    }
    for (const wrong of [0, 1]) {
      paint.fillStyle = colour(wrong ? "--removed" : "--dot");
      paint.globalAlpha = wrong || shown.length < 200 ? 0.9 : 0.45;
      for (const i of shown) {
        if (rows.wrong[i] !== wrong) continue;
        const at = [x(rows.begin[i]), y(values[i])];
        paint.fillRect(at[0] - 2, at[1] - 2, 4, 4);
        points.push([...at, i]);
      }
    }
    paint.globalAlpha = 1;
    const here = points.find((point) => point[2] === open);
    if (here) {
      paint.strokeStyle = colour("--fg");
      paint.strokeRect(here[0] - 5, here[1] - 5, 10, 10);
    }
  }

  function nearest(event) {
    let best = null, least = 20 ** 2;
    for (const point of points) {
      const away = (point[0] - event.offsetX) ** 2 + (point[1] - event.offsetY) ** 2;
      if (away < least) [best, least] = [point, away];
    }
    return best === null ? -1 : best[2];
  }

  // ---- what the reader does

  function byAddress() {
    const name = named(location.hash);
    if (name === null) return false;
    const place = places.get(name);
    if (place === undefined) {
      byId("detail").replaceChildren(made("p", { class: "warning" }, `Exchange ${name} is not on this page.`));
      byId("exchanges").scrollIntoView();
      return true;
    }
    if (!view.includes(place)) reset();
    show(place, true);
    reveal(place);
    byId("detail").scrollIntoView();
    return true;
  }

  function reset() {
    find.value = "";
    byId("status").value = "";
    if (byId("kind")) byId("kind").value = "";
    byId("wrong").checked = false;
    select();
  }

  function step(by) {
    if (!view.length) return;
    const at = view.indexOf(open);
    const place = view[Math.min(Math.max(at < 0 ? 0 : at + by, 0), view.length - 1)];
    show(place);
    reveal(place);
  }

  function problem(by) {
    const cards = [...document.querySelectorAll(".problem")];
    if (!cards.length) return;
    const at = cards.findIndex((card) => `#${card.id}` === location.hash);
    const card = cards[at < 0 ? 0 : (at + by + cards.length) % cards.length];
    location.hash = card.id;
    card.focus();
  }

  const KEYS = {
    "/": () => find.focus(),
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    n: () => problem(1), p: () => problem(-1),
    w: () => { byId("wrong").checked = !byId("wrong").checked; select(); },
    Escape: reset,
  };
  const INSIDE = new Set(["ArrowDown", "ArrowUp"]); // keys that scroll the page anywhere else

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (typing && event.key !== "Escape") return;
    if (INSIDE.has(event.key) && event.target !== list) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    if (typing) event.target.blur();
    act();
  });

  let later = 0;
  find.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(select, 60);
  });
  for (const id of ["status", "kind", "wrong"]) byId(id)?.addEventListener("change", select);
  for (const button of document.querySelectorAll(".only")) {
    button.addEventListener("click", () => {
      reset();
      find.value = button.dataset.search;
      select();
      byId("exchanges").scrollIntoView();
    });
  }
  list.addEventListener("scroll", fill);
  series.addEventListener("change", plot);
  canvas.addEventListener("click", (event) => {
    const place = nearest(event);
    if (place < 0) return;
    if (!view.includes(place)) reset();
    show(place);
    reveal(place);
  });
  canvas.addEventListener("mousemove", (event) => {
    const place = nearest(event);
    if (place < 0) return;
    byId("plot-at").textContent = `${rows.name[place]}: ${strings[rows.request[place]]} → ${strings[rows.answer[place]]}, took ${rows.took[place]}`;
  });
  window.addEventListener("hashchange", byAddress);
  window.addEventListener("resize", () => { fill(); plot(); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", plot);
  window.addEventListener("beforeprint", () => {
    box.style.height = "auto";
    box.replaceChildren(...view.slice(0, PRINTED).map(row));
    if (view.length > PRINTED) box.append(made("p", { class: "mute" }, `${view.length - PRINTED} more are not printed.`));
  });
  window.addEventListener("afterprint", fill);

  for (const status of new Set(rows.status.map((i) => strings[i]).sort())) byId("status").append(made("option", {}, status));
  for (const [value, text] of data.series) series.append(made("option", { value }, text));
  select();
  plot();
  if (!byAddress() && count) show(view[0], true);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
