// All models, newest first, with the aliases that name them.
import {html, useState} from '../html.js';
import {go, link} from '../router.js';
import {getPage, query as queryOf} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Pager} from '../parts/pager.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {ago, count, number} from '../format.js';

const EVERY_MS = 10000;

export function ModelsView({query}) {
  const [chosen, setChosen] = useState([]);
  const path = `/v1/models${queryOf({limit: 20, ...query})}`;
  const {data, error} = useLoaded(signal => getPage(path, {signal}), [path], {every: EVERY_MS});
  const aliases = useLoaded(signal => getPage('/v1/aliases?limit=1000', {signal}), []);
  const choose = (id, isChosen) => setChosen(isChosen ? [...chosen, id].slice(-2) : chosen.filter(other => other !== id));
  return html`
    <div class="heading"><${Title} tab="Models">Models<//>
      <div class="actions"><button disabled=${chosen.length !== 2}
        title=${chosen.length !== 2 ? 'Choose two models in the list' : undefined}
        onClick=${() => go(['compare', 'models'], {from: chosen[0], to: chosen[1]})}>Compare ${chosen.length || ''}</button></div></div>
    ${error ? html`<${Trouble} error=${error} what="The list" />` : !data ? html`<${Loading} what="models" />`
      : !data.items.length ? html`<p class="empty">No models yet. A job that succeeds publishes one.</p>` : html`
      <table class="list"><thead><tr><th scope="col"><span class="hidden">Compare</span></th><th scope="col">Model</th><th
        scope="col">Features</th>
        <th scope="col">Categories</th><th scope="col">Error on test rows</th><th scope="col">Bits a row</th><th
          scope="col">Made</th></tr></thead>
        <tbody>${data.items.map(model => html`<${Row} key=${model.id} model=${model} isChosen=${chosen.includes(model.id)} choose=${choose}
          aliases=${aliases.data ? aliases.data.items.filter(alias => alias.model === model.id) : []} />`)}</tbody></table>
      <${Pager} parts=${['models']} query=${query} next=${data.next} />`}`;
}

function Row({model, aliases, isChosen, choose}) {
  const {metrics} = model;
  return html`
    <tr>
      <td class="choice"><input type="checkbox" aria-label=${`Compare ${model.id}`} checked=${isChosen}
        onChange=${event => choose(model.id, event.target.checked)} /></td>
      <th scope="row"><a href=${link(['models', model.id])}><code>${model.id}</code></a>
        <div class="under">${aliases.map(({name}) => html`<span class="chip">@${name}</span> `)}on <a
          href=${link(['datasets', model.dataset])}><code>${model.dataset}</code></a></div></th>
      <td><span class="narrow">Features </span>${count(model.features.length)}</td><td><span class="narrow">Categories </span>
        ${count(model.categories.length)}</td>
      <td><span class="narrow">Error on test rows </span>${number(metrics.reconstruction_error && metrics.reconstruction_error.test)}</td>
      <td><span class="narrow">Bits a row </span>${number(metrics.bits_per_row)}</td><td>${ago(model.created_at)}</td>
    </tr>`;
}
