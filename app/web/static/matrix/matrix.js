// The assignment as a picture: one row a feature, one column a category. Pointer and arrow keys read it.
import {html, useEffect, useLayoutEffect, useMemo, useRef, useState} from '../html.js';
import {percent} from '../format.js';
import {MatrixPainter, MARGIN} from './paint.js';
import {familyColour, scheme} from './colours.js';
import {orderOf, readRow} from './order.js';

const NAMED = 60; // rows that still have room for their names
const HEADED = 24; // columns that still have room for their numbers

// shown: {features, categories, values, order}; families: {names, of: index of each feature's family}
export function Matrix({shown, families, label}) {
  const canvas = useRef(null);
  const painter = useRef(null);
  const [cell, setCell] = useState(null);
  const rows = shown.features.length;
  const columns = shown.categories.length;
  const height = heightOf(rows);
  const order = useMemo(() => shown.order || orderOf(shown.values, rows, columns), [shown]);
  const picture = {values: shown.values, rows, columns, order, families: families.of};

  useLayoutEffect(() => {
    painter.current = new MatrixPainter(canvas.current);
    const recolour = () => painter.current.recolour();
    scheme.addEventListener('change', recolour);
    return () => {
      scheme.removeEventListener('change', recolour);
      painter.current.stop();
    };
  }, []);
  useLayoutEffect(() => fit(canvas.current, height, () => painter.current.picture && painter.current.recolour()), [height]);
  useEffect(() => painter.current.show(picture), [shown, order, families]);

  const point = event => {
    const box = canvas.current.getBoundingClientRect();
    const x = (event.clientX - box.left - MARGIN) / (box.width - MARGIN);
    const y = (event.clientY - box.top) / box.height;
    setCell(x < 0 ? null : {place: clamp(Math.floor(y * rows), rows), column: clamp(Math.floor(x * columns), columns)});
  };
  const walk = event => {
    const steps = {ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], PageDown: [10, 0], PageUp: [-10, 0]};
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const {place, column} = cell || {place: -Math.min(step[0], 1) || -1, column: 0};
    setCell({place: clamp(place + step[0], rows), column: clamp(column + step[1], columns)});
  };
  const find = text => {
    const wanted = text.trim().toLowerCase();
    const place = wanted ? order.findIndex(row => shown.features[row].toLowerCase().includes(wanted)) : -1;
    setCell(place < 0 ? null : {place, column: readRow(shown.values, order[place], columns).best});
  };

  return html`
    <div class="matrix">
      <div class="reader">
        <label>Find a feature <input type="search" size="14" onInput=${event => find(event.target.value)} /></label>
        <p aria-live="polite">${cell ? html`<${Said} shown=${shown} row=${order[Math.min(cell.place, rows - 1)]}
          column=${Math.min(cell.column, columns - 1)} families=${families} />`
          : html`<span class="quiet">Point at a cell, or focus the picture and use the arrow keys.</span>`}</p></div>
      <div class="picture">
        ${rows <= NAMED && html`<div class="names" aria-hidden="true">${[...order].map(row => html`<span>
          ${shown.features[row]}</span>`)}</div>`}
        <div class="drawing">
          ${columns <= HEADED && html`<div class="heads" aria-hidden="true">${shown.categories.map((name, n) => html`<span
            title=${name}>${n}</span>`)}</div>`}
          <canvas ref=${canvas} tabindex="0" role="img" aria-label=${label} style=${{height: `${height}px`}}
            onPointerMove=${point} onPointerDown=${point} onKeyDown=${walk}></canvas>
          ${cell && html`<div class="cross" style=${{top: `calc(${columns <= HEADED ? '1.4rem' : '0px'} + ${(height * cell.place) / rows}px)`,
            height: `${Math.max(2, height / rows)}px`}}></div>`}
        </div>
      </div>
      <${Legend} families=${families} />
    </div>`;
}

function Said({shown, row, column, families}) {
  const columns = shown.categories.length;
  const {best, share, next, nextShare} = readRow(shown.values, row, columns);
  const family = families.names[families.of[row]];
  return html`<strong>${shown.features[row]}</strong>${family && html` <span class="quiet">(${family})</span>`}:
    ${' '}${shown.categories[best]} ${percent(share)}${next >= 0 && html`, then ${shown.categories[next]} ${percent(nextShare)}`}
    ${column !== best && column !== next && html` <span
      class="quiet">· here ${shown.categories[column]} ${percent(shown.values[row * columns + column])}</span>`}`;
}

function Legend({families}) {
  return html`<div class="legend">
    <span class="ramp" aria-hidden="true"></span><span>0 to 100% of a feature</span>
    ${families.names.length > 1 && families.names.map((name, n) => html`<span class="key"><i
      style=${{background: familyColour(n)}}></i>${name}</span>`)}</div>`;
}

const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
const heightOf = rows => (rows <= NAMED ? rows * 15 : Math.min(720, Math.max(NAMED * 15 / 2, rows * 5)));

// Gives the canvas the pixels of the screen, now and whenever its size changes.
function fit(canvas, height, redraw) {
  const size = () => {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.round(height * ratio);
    redraw();
  };
  const observer = new ResizeObserver(size);
  observer.observe(canvas);
  size();
  return () => observer.disconnect();
}
