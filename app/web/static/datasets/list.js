// All datasets, newest first, and the way to a new one.
import {html} from '../html.js';
import {link} from '../router.js';
import {getPage, query as queryOf} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Pager} from '../parts/pager.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {ago, count} from '../format.js';

const EVERY_MS = 10000;

export function DatasetsView({query}) {
  const path = `/v1/datasets${queryOf({limit: 20, ...query})}`;
  const {data, error} = useLoaded(signal => getPage(path, {signal}), [path], {every: EVERY_MS});
  return html`
    <div class="heading"><${Title} tab="Datasets">Datasets<//>
      <div class="actions"><a class="button primary" href=${link(['new'])}>New dataset</a></div></div>
    ${error ? html`<${Trouble} error=${error} what="The list" />` : !data ? html`<${Loading} what="datasets" />`
      : !data.items.length ? html`<p class="empty">No datasets yet. <a href=${link(['new'])}>Upload a table.</a></p>` : html`
      <table class="list"><thead><tr><th scope="col">Dataset</th><th scope="col">Rows</th><th scope="col">Features</th><th
        scope="col">Families</th>
        <th scope="col">Made</th></tr></thead>
        <tbody>${data.items.map(dataset => html`<tr key=${dataset.id}>
          <th scope="row"><a href=${link(['datasets', dataset.id])}>${dataset.name || dataset.id}</a>${dataset.name && html`<div
            class="under"><code>${dataset.id}</code></div>`}</th>
          <td><span class="narrow">Rows </span>${count(dataset.rows)}</td><td><span class="narrow">Features </span>
            ${count(dataset.features.length)}</td>
          <td class="words">${Object.entries(dataset.families).slice(0, 8).map(([name, {features}]) => html`<span class="chip">
            ${name} ${count(features)}</span> `)}</td>
          <td>${ago(dataset.created_at)}</td></tr>`)}</tbody></table>
      <${Pager} parts=${['datasets']} query=${query} next=${data.next} />`}`;
}
