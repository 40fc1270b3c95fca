// Rows in, codes out: pasted or dropped, with how far to trust each.
import {html, useState} from '../html.js';
import {call} from '../service/call.js';
import {Busy} from '../parts/busy.js';
import {Drop} from '../parts/drop.js';
import {Refusal} from '../parts/trouble.js';
import {number, plural} from '../format.js';
import {formatOf} from '../datasets/file_format.js';
import {firstRows} from './rows.js';

const SHOWN = 200;
const FAR = 99; // percentile of the training rows' distance beyond which a row is unlike them

export function Encode({model}) {
  const [text, setText] = useState('');
  const [result, setResult] = useState(null);
  const [error, setError] = useState(null);
  const encode = async (body, type) => {
    try {
      setResult(await (await call(`/v1/models/${model.id}/encodings`, {method: 'POST', body, type})).json());
      setError(null);
    } catch (refusal) {
      setResult(null);
      setError(refusal);
    }
  };
  const encodeText = () => encode(text, /^\s*[{[]/.test(text) ? 'application/json' : 'text/csv');
  const take = async () => setText(await firstRows(model.dataset, 3));
  return html`
    <section class="card" aria-labelledby="encode"><h2 id="encode">See the codes of rows</h2>
      <label for="rows">${model.kinds.length ? 'Rows as JSON: ' : 'Rows as CSV with a header line, or as JSON: '}<code>${sketchOf(model)}</code></label>
      <textarea id="rows" spellcheck="false" value=${text} onInput=${event => setText(event.target.value)}></textarea>
      <div class="row"><${Busy} kind="primary" act=${encodeText}
        reason=${text.trim() ? null : 'Paste rows first, or take some of the dataset.'}>Encode<//>
        ${!model.kinds.length && html`<${Busy} act=${take}>Take three rows of the dataset<//>`}
        <${Drop} label="or drop a file of rows" take=${file => encode(file, formatOf(file).type)} /></div>
      <div aria-live="polite"><${Refusal} error=${error} />${result && html`<${Codes} model=${model} result=${result} />`}</div>
    </section>`;
}

// What rows look like as JSON; series and grids are nested lists, one for each row.
function sketchOf({kinds, features}) {
  const table = '"rows": [[…]], "columns": […]';
  if (!kinds.length) return `{${table}}`;
  const families = `"families": {${kinds.map(({family}) => `${JSON.stringify(family)}: […]`).join(', ')}}`;
  const channels = kinds.reduce((sum, kind) => sum + kind.channels.length, 0);
  return `{${features.length > channels ? `${table}, ` : ''}${families}}`;
}

function Codes({model, result}) {
  const shown = result.codes.slice(0, SHOWN);
  return html`
    <p class="under">${plural(result.codes.length, 'row')}. Each category gives ${model.levels} codes, coarse to fine. A row is
      unlike the training rows if it is farther from its codes than ${FAR}% of them.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Codes"><table class="plain codes">
      <thead><tr><th scope="col">Row</th><th scope="col">Trust</th><th scope="col" class="number">Error</th><th scope="col" class="number">Farther than</th>
        ${model.categories.map(name => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${shown.map((codes, row) => html`<tr><th scope="row">${row + 1}</th><td>${trust(result, row)}</td>
        <td class="number">${number(result.reconstruction_error[row])}</td><td class="number">${share(result.distance_percentile[row])}</td>
        ${model.categories.map((_, n) => html`<td><code>${codes.slice(n * model.levels, (n + 1) * model.levels).join(' ')}</code>
          </td>`)}</tr>`)}</tbody></table></div>
    ${result.codes.length > SHOWN && html`<p class="quiet">The first ${SHOWN} are shown.</p>`}`;
}

const share = percentile => (percentile === null ? '–' : `${number(percentile)}%`);

function trust({status, distance_percentile: far}, row) {
  if (status[row] === 'invalid') return html`<span class="badge bad">invalid</span>`;
  if (far[row] > FAR) return html`<span class="badge unsure">unlike the training rows</span>`;
  return html`<span class="badge good">${status[row] === 'imputed' ? 'ok, missing values filled in' : 'ok'}</span>`;
}
