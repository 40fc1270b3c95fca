// Curves over epochs, drawn by uPlot; the legend tells the values under the pointer, or the last ones.
import {html, useEffect, useLayoutEffect, useRef, useState} from '../html.js';
import {css, scheme} from '../matrix/colours.js';
import {number} from '../format.js';

const HEIGHT = 150;
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]; // epochs between two ticks
const COLOURS = ['--curve-1', '--curve-2', '--curve-3', '--curve-4', '--curve-5', '--curve-6'];

// series: [{label, values}], null where there is none; top: the highest value that is always in sight.
export function Chart({title, x, series, top = null}) {
  const box = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const [theme, setTheme] = useState(scheme.matches);
  const shape = series.map(({label}) => label).join('\n');
  const data = [x, ...series.map(({values}) => values)];

  useEffect(() => {
    const follow = () => setTheme(scheme.matches);
    scheme.addEventListener('change', follow);
    return () => scheme.removeEventListener('change', follow);
  }, []);
  useLayoutEffect(() => {
    plot.current = new window.uPlot(options(box.current.clientWidth, series, top, setAt), data, box.current);
    const observer = new ResizeObserver(() => plot.current.setSize({width: box.current.clientWidth, height: HEIGHT}));
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      plot.current.destroy();
    };
  }, [shape, theme]);
  useEffect(() => plot.current.setData(data), [x, ...series.map(({values}) => values)]);

  const index = at === null ? x.length - 1 : at;
  return html`
    <figure class="chart">
      <figcaption><strong>${title}</strong>
        <span class="values">${series.map(({label, values}, n) => html`<span><i class=${`curve-${n % 6 + 1}`}></i>${label}${' '}
          <b>${number(lastOf(values, index))}</b></span>`)}</span></figcaption>
      <div ref=${box} role="img" aria-label=${inWords(title, x, series)}></div>
    </figure>`;
}

function inWords(title, x, series) {
  const ends = series.map(({label, values}) => `${label} ${number(lastOf(values, x.length - 1))} at the end`);
  return `${title} over ${x.length} epochs: ${ends.join(', ')}`;
}

function lastOf(values, index) {
  for (let n = Math.min(index, values.length - 1); n >= 0; n -= 1) if (values[n] !== null) return values[n];
  return null;
}

function options(width, series, top, setAt) {
  const ink = css('--muted');
  const grid = {stroke: css('--line'), width: 1};
  const axis = {stroke: ink, grid, ticks: {show: false}, font: '11px system-ui, sans-serif', gap: 4};
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: {show: false},
    cursor: {sync: {key: 'epochs'}, points: {size: 6}, drag: {setScale: false, x: false, y: false}},
    scales: {x: {time: false}, y: {range: (_, low, high) => rangeOf(low, high, top)}},
    axes: [{...axis, size: 24, incrs: WHOLE}, {...axis, size: 44, values: (_, ticks) => ticks.map(tick => number(tick, 3))}],
    series: [{}, ...series.map(({label}, n) => ({label, stroke: css(COLOURS[n % 6]), width: 1.75, spanGaps: true, points: {show: false}}))],
    hooks: {setCursor: [plot => setAt(plot.cursor.idx ?? null)]},
  };
}

function rangeOf(low, high, top) {
  if (low === null || low === undefined) return [0, top || 1];
  const bottom = Math.min(0, low);
  const highest = Math.max(high, top || 0);
  return [bottom, highest > bottom ? highest + (highest - bottom) * 0.05 : bottom + 1];
}
