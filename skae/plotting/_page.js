"use strict";
// One page for a map of samples, and for a decoder that draws what lies on it. All that
// it needs is in the page: `data` as JSON, numbers as base64 of 32-bit floats.
(() => {
const D = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);
const aside = document.querySelector("aside");
const box = document.getElementById("map");
const make = (tag, parent, set = {}) => {
  const made = Object.assign(document.createElement(tag), set);
  parent.append(made);
  return made;
};
const count = (n) => n.toLocaleString("en");

// ---- The map -------------------------------------------------------------------
const X = floats(D.x), Y = floats(D.y), N = X.length;
const codes = D.codes, names = D.names, colors = D.colors;
const colorOf = (i) => (D.each ? D.each[i] : colors[codes ? codes[i] + 1 : 0]);
const nameOf = (i) =>
  D.values ? D.values[i] : names ? (codes[i] < 0 ? "unlabelled" : names[codes[i]]) : "";
const hidden = new Set();
let wanted = null, chosen = -1, cross = null, view = null;
const seen = (i) => !(codes && hidden.has(codes[i])) && !(wanted && !wanted[i]);
const canvas = make("canvas", box), ctx = canvas.getContext("2d");
canvas.setAttribute("role", "img");
canvas.setAttribute("aria-label", D.alt);

function fit() {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < N; i++) {
    x0 = Math.min(x0, X[i]); x1 = Math.max(x1, X[i]);
    y0 = Math.min(y0, Y[i]); y1 = Math.max(y1, Y[i]);
  }
  const w = canvas.clientWidth, h = canvas.clientHeight;
  let sx = (0.92 * w) / (x1 - x0 || 1), sy = (0.92 * h) / (y1 - y0 || 1);
  if (D.equal) sx = sy = Math.min(sx, sy);
  view = { sx, sy, x: w / 2 - (sx * (x0 + x1)) / 2, y: h / 2 + (sy * (y0 + y1)) / 2 };
}
const px = (x) => x * view.sx + view.x, py = (y) => view.y - y * view.sy;

function draw() {
  const dpr = window.devicePixelRatio || 1;
  const w = canvas.clientWidth, h = canvas.clientHeight;
  if (!view) fit();
  if (canvas.width !== Math.round(w * dpr)) {
    canvas.width = Math.round(w * dpr);
    canvas.height = Math.round(h * dpr);
  }
  ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
  ctx.clearRect(0, 0, w, h);
  const r = Math.max(1.2, Math.min(4.5, Math.sqrt((w * h) / N) / 6));
  ctx.globalAlpha = N > 3000 ? 0.6 : 0.8;
  for (let i = 0; i < N; i++) {
    if (!seen(i)) continue;
    ctx.fillStyle = colorOf(i);
    ctx.beginPath();
    ctx.arc(px(X[i]), py(Y[i]), r, 0, 7);
    ctx.fill();
  }
  ctx.globalAlpha = 1;
  const style = getComputedStyle(document.body);
  ctx.strokeStyle = style.color;
  if (chosen >= 0) {
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(px(X[chosen]), py(Y[chosen]), r + 4, 0, 7);
    ctx.stroke();
  }
  if (cross) {
    ctx.lineWidth = 1;
    ctx.strokeRect(px(cross[0]) - 5, py(cross[1]) - 5, 10, 10);
  }
  ctx.font = "bold 14px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  (D.places || []).forEach(([x, y], code) => {
    if (hidden.has(code)) return;
    ctx.lineWidth = 4;
    ctx.lineJoin = "round";
    ctx.strokeStyle = style.backgroundColor;
    ctx.strokeText(D.short[code], px(x), py(y));
    ctx.fillStyle = style.color;
    ctx.fillText(D.short[code], px(x), py(y));
  });
}

function nearest(mx, my, within) {
  let best = -1, least = within * within;
  for (let i = 0; i < N; i++) {
    if (!seen(i)) continue;
    const dx = px(X[i]) - mx, dy = py(Y[i]) - my, d = dx * dx + dy * dy;
    if (d < least) [best, least] = [i, d];
  }
  return best;
}
const at = (event) => {
  const frame = canvas.getBoundingClientRect();
  return [event.clientX - frame.left, event.clientY - frame.top];
};
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const [mx, my] = at(event), by = Math.exp(-event.deltaY / 400);
  view.x = mx - (mx - view.x) * by;
  view.y = my - (my - view.y) * by;
  view.sx *= by;
  view.sy *= by;
  draw();
}, { passive: false });
canvas.addEventListener("dblclick", () => { fit(); draw(); });
let held = null;
canvas.addEventListener("pointerdown", (event) => {
  held = at(event);
  canvas.setPointerCapture(event.pointerId);
  moved(...held);
});
canvas.addEventListener("pointerup", () => { held = null; });
canvas.addEventListener("pointermove", (event) => {
  const [mx, my] = at(event);
  if (held && !D.layers) {
    view.x += mx - held[0];
    view.y += my - held[1];
    held = [mx, my];
    return draw();
  }
  return moved(mx, my);
});
window.addEventListener("resize", () => { view = null; draw(); });

// ---- Samples: one picture at a time ---------------------------------------------
const picture = D.sprite || D.shape ? make("canvas", aside, { className: "picture" }) : null;
const caption = make("div", aside, { className: "caption" });
const controls = make("div", aside);
let sprite = null;
function show(i) {
  chosen = i;
  caption.textContent = "";
  if (i < 0) {
    make("span", caption, { textContent: D.hint, className: "quiet" });
  } else {
    make("b", caption, { textContent: nameOf(i) });
    make("span", caption, { textContent: ` sample ${D.rows ? D.rows[i] : i}` });
  }
  if (sprite) {
    const [w, h] = D.size, pen = picture.getContext("2d");
    picture.width = w;
    picture.height = h;
    if (i >= 0 && i < D.pictures) {
      const column = i % D.across, row = Math.floor(i / D.across);
      pen.drawImage(sprite, column * w, row * h, w, h, 0, 0, w, h);
    }
  }
  draw();
}
function moved(mx, my) {
  if (D.layers) return explore((mx - view.x) / view.sx, (view.y - my) / view.sy, mx, my);
  const i = nearest(mx, my, 14);
  if (i !== chosen) show(i);
  return undefined;
}

// ---- Classes, search -------------------------------------------------------------
if (names) {
  const search = make("input", aside, { type: "search", placeholder: "search" });
  search.setAttribute("aria-label", "Search labels and sample numbers");
  const found = make("div", aside, { className: "quiet" });
  const list = make("div", aside, { className: "classes" });
  const sizes = new Array(names.length + 1).fill(0);
  codes.forEach((code) => { sizes[code + 1] += 1; });
  const rows = [];
  const refresh = () => {
    rows.forEach(([code, row]) => row.classList.toggle("off", hidden.has(code)));
    let n = 0;
    for (let i = 0; i < N; i++) n += seen(i);
    found.textContent = `${count(n)} of ${count(N)} samples shown`;
    draw();
  };
  [...names.keys(), -1].forEach((code) => {
    if (!sizes[code + 1]) return;
    const row = make("div", list, { className: "row" });
    make("span", row, { className: "swatch" }).style.background = colors[code + 1];
    const text = `${code < 0 ? "unlabelled" : names[code]} (${count(sizes[code + 1])})`;
    const name = make("button", row, { className: "name", textContent: text });
    name.title = "hide or show";
    name.onclick = () => {
      if (!hidden.delete(code)) hidden.add(code);
      refresh();
    };
    const only = make("button", row, { textContent: "only" });
    only.title = "only this class; again for all";
    only.onclick = () => {
      const alone = !hidden.has(code) && hidden.size === rows.length - 1;
      hidden.clear();
      if (!alone) rows.forEach(([other]) => other !== code && hidden.add(other));
      refresh();
    };
    rows.push([code, row]);
  });
  search.oninput = () => {
    const text = search.value.trim().toLowerCase();
    wanted = text ? Array.from({ length: N }, (_, i) =>
      nameOf(i).toLowerCase().includes(text) || String(D.rows ? D.rows[i] : i) === text
    ) : null;
    refresh();
  };
  refresh();
} else if (D.ends) {
  make("div", aside, { className: "scale" }).style.background =
    `linear-gradient(to right, ${D.gradient.join(",")})`;
  const ends = make("div", aside, { className: "ends" });
  D.ends.forEach((end) => make("span", ends, { textContent: end }));
}
(D.remarks || []).forEach((text) =>
  make("p", aside, { textContent: text, className: "quiet" }));

// ---- The decoder -----------------------------------------------------------------
const erf = (x) => {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736)
    * t + 0.254829592) * t * Math.exp(-x * x);
  return x < 0 ? -y : y;
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const ACTIVATIONS = {
  linear: (x) => x,
  relu: (x) => Math.max(x, 0),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  leaky_relu: (x) => (x > 0 ? x : 0.2 * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  gelu: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x * sigmoid(x),
  sigmoid,
  tanh: Math.tanh,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  softsign: (x) => x / (1 + Math.abs(x)),
  exponential: Math.exp,
};
let layers = null, path = null, latents = null, output = null, sliders = [], bars = [];
function linear(h, { kernel, bias }) {
  const next = Float32Array.from(bias), n = next.length;
  for (let i = 0; i < h.length; i++) {
    const v = h[i], row = i * n;
    if (v !== 0) for (let j = 0; j < n; j++) next[j] += v * kernel[row + j];
  }
  return next;
}
function beside(values) {
  // A linear path around the layers, perhaps to the logits of what it gives.
  const { least } = path, added = linear(values, path);
  const clip = (v) => Math.min(Math.max(v, least), 1 - least);
  return least ? added.map((v) => Math.log(clip(v) / (1 - clip(v)))) : added;
}
function decode(values) {
  let h = Float32Array.from(values);
  layers.forEach((layer, k) => {
    const next = linear(h, layer), f = ACTIVATIONS[layer.activation];
    const added = path && k === layers.length - 1 ? beside(values) : null;
    h = next.map((v, j) => f(added ? v + added[j] : v));
  });
  if (D.scaling) h = h.map((v, j) => v * D.scaling[0][j] + D.scaling[1][j]);
  return h;
}
function paint() {
  output = decode(latents);
  if (bars.length) {
    bars.forEach(({ column, mean, spread, fill, number }) => {
      const away = Math.max(-3, Math.min(3, (output[column] - mean) / spread));
      fill.style.left = `${50 + Math.min(away, 0) * 16.6}%`;
      fill.style.width = `${Math.abs(away) * 16.6}%`;
      number.textContent = String(Number(output[column].toPrecision(4)));
    });
    return;
  }
  const [h, w, c] = D.shape, pen = picture.getContext("2d");
  if (picture.width !== w || picture.height !== h) [picture.width, picture.height] = [w, h];
  const image = pen.createImageData(w, h), [low, high] = D.limits;
  for (let i = 0; i < w * h; i++) {
    for (let k = 0; k < 3; k++) {
      const share = (output[i * c + (c > 2 ? k : 0)] - low) / (high - low);
      image.data[4 * i + k] = 255 * (D.ink ? 1 - share : share);
    }
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}
function say(text) {
  caption.textContent = "";
  make("span", caption, { textContent: text, className: "quiet" });
}
function project() {
  // Where the latent vector lies on the map.
  cross = [0, 1].map((k) =>
    latents.reduce((sum, v, i) => sum + (v - D.origin[i]) * D.axes[k][i], 0));
  draw();
}
function explore(x, y, mx, my) {
  latents = D.origin.map((v, i) => v + x * D.axes[0][i] + y * D.axes[1][i]);
  cross = [x, y];
  sliders.forEach(({ axis, input, number }) => {
    input.value = latents[axis];
    number.textContent = latents[axis].toPrecision(3);
  });
  say(nearest(mx, my, 30) < 0 ? "No sample is near: the decoder guesses." : D.hint);
  paint();
  draw();
}
if (D.layers) {
  layers = D.layers.map((one) =>
    ({ ...one, kernel: floats(one.kernel), bias: floats(one.bias) }));
  path = D.path && { ...D.path, kernel: floats(D.path.kernel), bias: floats(D.path.bias) };
  latents = [...D.start];
  const head = (text) => make("div", controls, { textContent: text, className: "quiet" });
  if (D.columns) {
    head("columns: bars in standard deviations from the mean");
    bars = D.columns.map(({ name, ...one }) => {
      const row = make("div", controls, { className: "bar" });
      make("span", row, { textContent: name });
      const fill = make("i", make("div", row));
      return { ...one, fill, number: make("span", row) };
    });
  }
  head("latent values");
  sliders = D.sliders.map(({ axis, low, high }) => {
    const label = make("label", controls, { textContent: axis });
    const input = make("input", label, {
      type: "range", min: low, max: high, step: (high - low) / 200, value: latents[axis],
    });
    const number = make("span", label, { textContent: latents[axis].toPrecision(3) });
    input.setAttribute("aria-label", `latent ${axis}`);
    input.oninput = () => {
      latents[axis] = Number(input.value);
      number.textContent = latents[axis].toPrecision(3);
      paint();
      project();
    };
    return { axis, input, number };
  });
  say(D.hint);
  paint();
  project();
} else if (D.sprite) {
  sprite = new Image();
  sprite.onload = () => show(-1);
  sprite.src = `data:image/png;base64,${D.sprite}`;
} else {
  show(-1);
}
draw();
// What tests, and the curious, may ask.
window.skae = {
  decode: (values) => Array.from(decode(values)),
  state: () => ({ latents, output: output && Array.from(output), chosen, n: N,
    shown: Array.from({ length: N }, (_, i) => i).filter(seen) }),
  place: (x, y) => {
    const frame = canvas.getBoundingClientRect();
    return [frame.left + px(x), frame.top + py(y)];
  },
};
})();
