"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
  const dashes = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3]];

  // A choice is kept for the next visit where the browser allows it for files.
  const kept = (name) => { try { return localStorage.getItem(`serkit-${name}`); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem(`serkit-${name}`, value); } catch { /* not kept */ } };
  for (const name of ["theme", "colours"]) {
    const chooser = document.getElementById(name);
    const apply = (value) => {
      if (value) root.dataset[name] = value; else delete root.dataset[name];
      chooser.value = value;
    };
    apply(kept(name) ?? root.dataset[name] ?? "");
    chooser.addEventListener("change", () => { apply(chooser.value); keep(name, chooser.value); });
  }

  // Details of a heat map's cell, at the pointer or the focus.
  const tip = document.getElementById("tip");
  let shown = null;
  const hide = () => { tip.hidden = true; shown?.removeAttribute("aria-describedby"); shown = null; };
  const show = (cell) => {
    const list = document.createElement("dl");
    for (const [name, value] of data.cells[cell.id]) {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      list.append(term, text);
    }
    hide();
    tip.replaceChildren(list);
    tip.hidden = false;
    shown = cell;
    cell.setAttribute("aria-describedby", "tip");
    place();
  };
  const place = () => {
    const at = shown.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const below = at.bottom + 6 + size.height <= innerHeight;
    tip.style.top = `${Math.max(4, below ? at.bottom + 6 : at.top - size.height - 6)}px`;
    tip.style.left = `${Math.max(4, Math.min(at.left, innerWidth - size.width - 4))}px`;
  };
  const cellAt = (event) => event.target instanceof Element ? event.target.closest("td.cell") : null;
  document.addEventListener("pointerover", (event) => { const cell = cellAt(event); if (cell) show(cell); else hide(); });
  document.addEventListener("focusin", (event) => { const cell = cellAt(event); if (cell) show(cell); else hide(); });
  document.addEventListener("focusout", hide);
  addEventListener("scroll", () => { if (shown && shown === document.activeElement) place(); else hide(); }, { passive: true, capture: true });

  // Arrow keys within a heat map; one stop of the tab key for each.
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const cell = cellAt(event);
    if (!cell) return;
    const row = cell.parentElement, rows = [...row.parentElement.rows], cells = [...row.querySelectorAll("td.cell")];
    let [down, right] = [rows.indexOf(row), cells.indexOf(cell)];
    if (event.key in steps) { down += steps[event.key][0]; right += steps[event.key][1]; }
    else if (event.key === "Home") right = 0;
    else if (event.key === "End") right = cells.length - 1;
    else return;
    event.preventDefault();
    const next = rows[down]?.querySelectorAll("td.cell")[right];
    if (!next) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // Charts take their colours from the page, so that they follow its theme.
  const quiet = { labelColor: "currentColor", titleColor: "currentColor", tickColor: "currentColor" };
  const config = {
    background: "transparent", font: "system-ui, sans-serif",
    axis: { ...quiet, labelFontSize: 12, titleFontSize: 12, domainColor: "currentColor", gridColor: "currentColor", gridOpacity: 0.15, titleFontWeight: "normal" },
    legend: { labelColor: "currentColor", titleColor: "currentColor", labelLimit: 400, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", symbolType: "stroke", symbolSize: 400, symbolOpacity: 1, symbolStrokeWidth: 2 },
    header: { labelColor: "currentColor", titleColor: "currentColor" },
    title: { color: "currentColor", fontWeight: "normal", anchor: "start" },
    view: { stroke: null },
  };
  const lines = (names) => ({ domain: names, range: names.map((_, i) => colours[i % colours.length]) });
  const strokes = (names) => ({ domain: names, range: names.map((_, i) => dashes[(i + Math.floor(i / colours.length)) % dashes.length]) });
  const legend = (names) => ({ orient: "top", columns: innerWidth < 700 ? 1 : Math.max(1, Math.floor(110 / Math.max(...names.map((name) => name.length + 8)))) });
  const draw = (id, spec) => {
    const place = document.getElementById(id);
    return vegaEmbed(place, { ...spec, config }, { renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } })
      .then((drawn) => { drawn.view.container().parentElement.querySelector("summary")?.setAttribute("aria-label", "Save this chart"); })
      .catch((error) => { place.textContent = `This chart could not be drawn: ${error.message}`; });
  };
  const least = 240;
  const wide = (id, share = 1) => Math.max(least, (document.getElementById(id).clientWidth - 90) * share);

  const drawRates = () => {
    if (!document.getElementById("rates")) return;
    const tests = [...new Set(data.rates.map((row) => row.test))], trains = [...new Set(data.rates.map((row) => row.train))];
    const across = innerWidth < 700 ? 1 : tests.length;
    const x = { field: "at", type: "quantitative", title: "training clips augmented (%)", scale: { nice: false }, axis: { values: [...new Set(data.rates.map((row) => row.rate))] } };
    const values = data.rates.map((row) => ({ ...row, at: row.rate + 1.1 * (trains.indexOf(row.train) - (trains.length - 1) / 2) }));  // bars beside each other
    const color = { field: "train", type: "nominal", title: "Trained on", scale: lines(trains), legend: legend(trains) };
    const strokeDash = { ...color, scale: strokes(trains) };
    const details = [["train", "Trained on"], ["test", "Tested on"], ["rate", "Augmented (%)"], ["wF1", "wF1"], ["low", "from"], ["high", "to"], ["constant", "Without listening"], ["paper", "Paper"]]
      .filter(([field]) => field in (data.rates[0] ?? {})).map(([field, title]) => ({ field, title, type: typeof data.rates[0][field] === "string" ? "nominal" : "quantitative" }));
    const y = (field) => ({ field, type: "quantitative", title: "wF1", scale: { zero: false } });
    const layer = [
      { mark: { type: "rule", strokeDash: [5, 4], opacity: 0.5, aria: false }, encoding: { y: y("constant") } },
      { mark: { type: "rule", opacity: 0.6, aria: false }, encoding: { x, y: y("low"), y2: { field: "high" }, color } },
      { mark: { type: "line" }, encoding: { x, y: y("wF1"), color, strokeDash } },
      { mark: { type: "point", filled: true, size: 50, opacity: 1 }, encoding: { x, y: y("wF1"), color, tooltip: details } },
    ];
    if (data.rates.some((row) => row.paper != null)) {
      layer.push({ mark: { type: "line", strokeDash: [1, 3], point: { filled: false, size: 40, fill: "transparent" } }, encoding: { x, y: y("paper"), color, tooltip: details } });
    }
    draw("rates", {
      data: { values }, columns: across, facet: { field: "test", type: "nominal", title: null, sort: tests, header: { labelFontSize: 12, labelLimit: wide("rates", 1 / across) } },
      spec: { width: wide("rates", 1 / across) - 30 * (across > 1), height: 230, layer },
      description: "wF1 against the rate of augmentation",
    });
  };

  // One condition: curves and confusion.
  const chooser = Object.fromEntries(["train", "rate", "metric"].map((id) => [id, document.getElementById(id)]));
  const fill = (select, values, text) => {
    const before = select.value;
    select.replaceChildren(...values.map((value) => new Option(text(value), value)));
    if (values.map(String).includes(before)) select.value = before;
  };
  const drawCurves = (one) => {
    const metric = chooser.metric.value, loss = [], values = [];
    one.epochs.forEach((epoch, i) => {
      loss.push({ epoch, mean: one.loss[0][i], std: one.loss[1][i] });
      for (const [test, of] of Object.entries(one.tests)) values.push({ epoch, test, mean: of[metric][0][i], std: of[metric][1][i] });
    });
    const known = (rows) => rows.filter((row) => row.mean !== null);  // a loss may be no number
    for (const row of [...loss, ...values]) { row.low = row.mean - row.std; row.high = row.mean + row.std; }
    const tests = Object.keys(one.tests), last = one.epochs.at(-1);
    const x = { field: "epoch", type: "quantitative", title: "epoch", scale: { domain: [one.epochs[0], last], nice: false, zero: false }, axis: { tickMinStep: 1, format: ".3~f" } };
    const tail = {
      data: { values: [{ from: one.tail, to: last }] }, mark: { type: "rect", color: "currentColor", opacity: 0.08 },
      encoding: { x: { field: "from", type: "quantitative" }, x2: { field: "to" } },
    };
    const color = { field: "test", type: "nominal", title: "Tested on", scale: lines(tests), legend: legend(tests) };
    const round = { format: ".3f", type: "quantitative" };
    const tooltip = [{ field: "epoch", type: "quantitative" }, { field: "mean", ...round }, { field: "std", ...round }];
    const deaf = known(tests.map((test) => ({ test, mean: data.constants[test][metric] })));
    const panel = (rows, title, extra, dash, more, zero, constants = []) => ({
      width: wide("curves"), height: 240, layer: [
        tail,
        ...(constants.length ? [{ data: { values: constants }, mark: { type: "rule", strokeDash: [5, 4], opacity: 0.6, aria: false }, encoding: { y: { field: "mean", type: "quantitative", title }, ...extra } }] : []),
        { data: { values: rows }, mark: { type: "area", opacity: 0.15 }, encoding: { x, y: { field: "low", type: "quantitative", title, scale: { zero } }, y2: { field: "high" }, ...extra } },
        { data: { values: rows }, mark: { type: "line" }, encoding: { x, y: { field: "mean", type: "quantitative", title }, ...extra, ...dash } },
        { data: { values: rows }, mark: { type: "point", filled: true, size: 30 }, encoding: { x, y: { field: "mean", type: "quantitative", title }, ...extra, tooltip: [...more, ...tooltip] } },
      ],
    });
    return draw("curves", {
      description: `Learning curves of ${one.train} at ${one.rate} %`,
      vconcat: [
        panel(known(values), metric, { color }, { strokeDash: { ...color, scale: strokes(tests) } }, [{ field: "test", title: "Tested on" }], false, deaf),
        ...(known(loss).length ? [panel(known(loss), "training loss", { color: { value: "currentColor" } }, {}, [], false)] : []),  // imported: not known
      ],
    });
  };
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const drawConfusion = (one) => {
    const made = Object.entries(one.confusion).map(([corpus, counts]) => {
      const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
      table.createCaption().textContent = `Tested on ${corpus}`;
      head.append(element("th", "true \\ predicted", { scope: "col" }), ...data.labels.map((label) => element("th", label, { scope: "col" })));
      counts.forEach((row, i) => {
        const line = body.insertRow(), all = row.reduce((a, b) => a + b, 0);
        line.append(element("th", data.labels[i], { scope: "row" }));
        for (const n of row) {
          const share = all ? n / all : 0, cell = line.insertCell();
          cell.style.setProperty("--s", `${Math.round(65 * share)}%`);
          cell.append(`${Math.round(100 * share)} %`, element("small", String(n)));
        }
      });
      const scroll = element("div", "", { class: "scroll", role: "region", tabindex: "0", "aria-label": `Confusion on ${corpus}` });
      scroll.append(table);
      return scroll;
    });
    document.getElementById("confusion").replaceChildren(...(made.length ? made : [element("p", "No scores of single clips lie beside these results.")]));
  };
  const choose = () => {
    const train = chooser.train.value;
    fill(chooser.rate, data.conditions.filter((one) => one.train === train).map((one) => one.rate), (rate) => `${rate} %`);
    const one = data.conditions.find((each) => each.train === train && String(each.rate) === chooser.rate.value);
    document.getElementById("condition-said").textContent = `${one.train} at ${one.rate} %: ${one.runs} of ${one.expected} runs are done; the tail begins at epoch ${one.tail}.` +
      (one.counted < one.runs ? ` Confusion is counted from ${one.counted} of them: the scores of the others are gone or damaged.` : "");
    drawCurves(one);
    drawConfusion(one);
  };
  const quoted = (value) => typeof value === "string" ? `"${value.replace(/^(?=\s*[=+@-])/, "'").replaceAll('"', '""')}"` : value;  // no formula
  const save = (name, rows) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n"], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const saveCurves = () => {
    const rows = [["train", "augment_percent", "test", "epoch", "measure", "mean", "std"]];
    for (const one of data.conditions) one.epochs.forEach((epoch, i) => {
      rows.push([one.train, one.rate, "", epoch, "loss", one.loss[0][i], one.loss[1][i]]);
      for (const [test, of] of Object.entries(one.tests)) for (const metric of data.metrics) rows.push([one.train, one.rate, test, epoch, metric, of[metric][0][i], of[metric][1][i]]);
    });
    save("curves.csv", rows);
  };
  const saveConfusion = () => {
    const rows = [["train", "augment_percent", "test", "true", "predicted", "clips"]];
    for (const one of data.conditions) for (const [corpus, counts] of Object.entries(one.confusion)) counts.forEach((row, i) => row.forEach((n, j) => rows.push([one.train, one.rate, corpus, data.labels[i], data.labels[j], n])));
    save("confusion.csv", rows);
  };

  const drawAll = () => { drawRates(); if (data.conditions.length) choose(); };
  if (data.conditions.length) {
    fill(chooser.train, [...new Set(data.conditions.map((one) => one.train))], (train) => train);
    fill(chooser.metric, data.metrics, (metric) => metric);
    chooser.metric.value = "wF1";
    for (const select of Object.values(chooser)) select.addEventListener("change", choose);
    document.getElementById("curves-csv").addEventListener("click", saveCurves);
    document.getElementById("confusion-csv").addEventListener("click", saveConfusion);
  }
  drawAll();
  let width = innerWidth, later = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(later);
    later = setTimeout(drawAll, 200);
  });
})();
