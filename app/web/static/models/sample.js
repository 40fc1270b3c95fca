// Original against decoded: the dataset's first rows through the codes and back, with the error of each feature and category.
import {html, useMemo, useState} from '../html.js';
import {call, sendJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Bars} from '../parts/bars.js';
import {number, plural} from '../format.js';
import {firstRows, parseCsv} from './rows.js';

const ROWS = 200;
const CELLS = 100000; // values that are sent at most
const WORST = 15;

export function Sample({model, grouping, report}) {
  const {data, error} = useLoaded(signal => decode(model, signal), [model.id]);
  const errors = useMemo(() => data && errorsOf(data, report.cleaning || []), [data, report]);
  return html`
    <section class="card" aria-labelledby="sample"><h2 id="sample">Original and decoded</h2>
      ${error ? html`<p class="quiet">The dataset's rows cannot be read: ${error.message}</p>` : !data ? html`<p class="quiet"
        role="status">Encoding some rows …</p>` : html`
        <p class="under">The first ${plural(data.rows.length, 'row')} of the dataset, encoded and decoded again. They may be rows that the model was trained on.</p>
        <div class="pair">
          <${Bars} caption="Error of each category" rows=${byCategory(grouping, errors)} />
          <${Bars} caption=${`Error of the ${Math.min(WORST, errors.size)} worst features`} rows=${worst(grouping, errors)} /></div>
        <${Rows} data=${data} grouping=${grouping} />`}
    </section>`;
}

async function decode(model, signal) {
  const count = Math.max(4, Math.min(ROWS, Math.floor(CELLS / model.features.length)));
  const text = await firstRows(model.dataset, count, signal);
  const path = `/v1/models/${model.id}`;
  const encoded = await (await call(`${path}/encodings`, {method: 'POST', body: text, type: 'text/csv', signal})).json();
  const decoded = await sendJson(`${path}/decodings`, {codes: encoded.codes}, {signal});
  const [header, ...cells] = parseCsv(text);
  const at = new Map(header.map((name, n) => [name.replace(/^'(?=[=+\-@])/, ''), n]));
  const rows = cells.map(row => decoded.features.map(name => row[at.get(name)] ?? ''));
  const origins = new Map(model.features.map((name, n) => [name, model.origins[n]])); // of times: from when they count
  return {features: decoded.features, rows, decoded: decoded.rows, codes: encoded.codes, origins};
}

// The mean squared error of each feature in units of its scale, within its bounds; of times, that of their seconds; of
// other text, the share of wrong values. Constant features are left out.
function errorsOf({features, rows, decoded, origins}, cleaning) {
  const cleaned = new Map(cleaning.map(feature => [feature.name, feature]));
  const errors = new Map();
  features.forEach((name, n) => {
    const {status, scale = 1, lower = -Infinity, upper = Infinity} = cleaned.get(name) || {};
    if (status === 'constant') return;
    const squared = (value, back) => ((Math.min(upper, Math.max(lower, value)) - back) / scale) ** 2;
    const seconds = text => (Date.parse(text) - Date.parse(origins.get(name))) / 1000;
    const error = (cell, back) => {
      if (typeof back === 'number') return squared(Number(cell), back);
      return origins.get(name) ? squared(seconds(cell), seconds(back)) : Number(back !== cell);
    };
    const found = rows.map((row, r) => [row[n], decoded[r][n]]).filter(([cell, back]) => cell !== '' && back !== null).map(pair => error(...pair));
    if (found.length) errors.set(name, found.reduce((sum, value) => sum + value, 0) / found.length);
  });
  return errors;
}

function byCategory({categories}, errors) {
  return categories.filter(({features}) => features.length).map(({name, features}) => {
    const found = features.map(feature => errors.get(feature)).filter(value => value !== undefined);
    return {label: name, value: found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : null};
  });
}

function worst({features, categories}, errors) {
  const categoryOf = new Map(features.map(({name, category}) => [name, categories[category].name]));
  return [...errors].sort((a, b) => b[1] - a[1]).slice(0, WORST).map(([label, value]) => ({label, value, note: categoryOf.get(label)}));
}

function Rows({data, grouping}) {
  const [row, setRow] = useState(0);
  const categoryOf = useMemo(() => new Map(grouping.features.map(({name, category}) => [name, category])), [grouping]);
  const order = useMemo(() => data.features.map((_, n) => n).sort((a, b) => categoryOf.get(data.features[a]) - categoryOf.get(data.features[b]) || a - b), [data]);
  const shown = order.slice(0, 500);
  return html`<details><summary>Row by row</summary>
    <div class="row"><label>Row <input type="number" min="1" max=${data.rows.length} value=${row + 1}
      onInput=${event => setRow(Math.max(0, Math.min(data.rows.length - 1, Number(event.target.value) - 1 || 0)))} /></label>
      <span class="quiet">codes <code>${data.codes[row].join(' ')}</code></span></div>
    <div class="scroll" tabindex="0" role="region" aria-label="Original and decoded values"><table class="plain"><thead><tr><th
      scope="col">Feature</th><th scope="col">Category</th>
      <th scope="col" class="number">Original</th><th scope="col" class="number">Decoded</th></tr></thead>
      <tbody>${shown.map(n => html`<tr key=${n}><th scope="row">${data.features[n]}</th><td>
        ${grouping.categories[categoryOf.get(data.features[n])].name}</td>
        <td class="number">${value(data.rows[row][n])}</td><td class="number">${value(data.decoded[row][n])}</td></tr>`)}</tbody>
          </table></div></details>`;
}

function value(cell) {
  if (cell === '' || cell === null) return html`<span class="quiet">missing</span>`;
  return Number.isFinite(Number(cell)) ? number(Number(cell), 4) : cell;
}
