// Two models side by side: what was measured of each, and how their groupings differ.
import {html} from '../html.js';
import {isId, link} from '../router.js';
import {getJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {count, moment, number, percent} from '../format.js';
import {Difference} from './difference.js';

const ROWS = [
  ['Made', model => moment(model.created_at)],
  ['Features', model => count(model.features.length)],
  ['Categories', model => count(model.categories.length)],
  ['Error, training rows', ({metrics}) => number(metrics.reconstruction_error && metrics.reconstruction_error.train)],
  ['Error, test rows', ({metrics}) => number(metrics.reconstruction_error && metrics.reconstruction_error.test)],
  ['Bits a row', ({metrics}) => number(metrics.bits_per_row)],
  ['Codes in use', ({metrics}) => percent(metrics.usage)],
  ['Perplexity', ({metrics}) => number(metrics.perplexity)],
];

export function CompareModels({query}) {
  const ids = [query.from, query.to].filter(isId);
  const {data, error} = useLoaded(signal => Promise.all(ids.map(id => getJson(`/v1/models/${id}`, {signal}))), [ids.join()]);
  if (error) return html`<${Trouble} error=${error} what="One of the models" />`;
  if (!data) return html`<${Loading} what="the models" />`;
  return html`
    <${Title} tab="Compare">Two models side by side<//>
    <section class="card"><div class="wide" tabindex="0" role="region" aria-label="Both models"><table class="plain"><thead><tr>
      <th></th>${data.map(({id}) => html`<th scope="col"><a href=${link(['models', id])}><code>${id}</code></a></th>`)}</tr>
      </thead>
      <tbody>${ROWS.map(([title, show]) => html`<tr key=${title}><th scope="row">${title}</th>${data.map(model => html`<td>
        ${show(model)}</td>`)}</tr>`)}</tbody></table></div></section>
    ${ids.length === 2 && html`<${Difference} from=${ids[0]} to=${ids[1]} title="How they group the features" />`}`;
}
