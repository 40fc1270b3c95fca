// How two models group the same features: agreement, categories matched with each other, features that moved.
import {html} from '../html.js';
import {getJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Bars} from '../parts/bars.js';
import {count, number, plural} from '../format.js';

const SHOWN = 300;

export function Difference({from, to, title}) {
  const path = `/v1/models/${from}/diff?to=${to}`;
  const {data, error} = useLoaded(signal => getJson(path, {signal}), [path]);
  return html`<section class="card" aria-label=${title}><h2>${title}</h2>
    ${error ? html`<p class="quiet">${error.message}</p>` : !data ? html`<p class="quiet" role="status">Comparing …</p>` : html`
      <p>Agreement ${data.agreement === null ? 'cannot be told: they share no feature' : html`<strong>
        ${number(data.agreement)}</strong> (adjusted Rand index: 1 is alike, 0 is chance)`}.
        ${' '}${plural(data.moved.length, 'feature')} moved${onlyIn(data.only_in)}.</p>
      <div class="pair">
        <${Bars} caption="Categories matched with each other, by the features that they share" show=${count}
          rows=${data.pairs.map(pair => ({label: `${pair.from} → ${pair.to}`, value: pair.shared}))} />
        ${data.moved.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Features that moved"><table
          class="plain">
          <thead><tr><th scope="col">Feature</th><th scope="col">From</th><th scope="col">To</th></tr></thead>
          <tbody>${data.moved.slice(0, SHOWN).map(({name, from: one, to: other}) => html`<tr key=${name}><th scope="row">
            ${name}</th><td>${one}</td><td>${other}</td></tr>`)}</tbody></table></div>`}
      </div>`}</section>`;
}

function onlyIn({from = [], to = []}) {
  return [from.length && `; ${plural(from.length, 'feature')} only in the first`, to.length && `; ${plural(to.length, 'feature')} only in the second`].filter(Boolean).join('');
}
