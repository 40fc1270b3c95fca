// The features that changed their category while the job trained.
import {html} from '../html.js';
import {count} from '../format.js';

const SHOWN = 200;

export function Moved({events}) {
  const moves = events.filter(({type}) => type === 'moved')
    .flatMap(({data}) => (data.features || []).map(feature => ({...feature, epoch: data.epoch}))).reverse();
  return html`
    <section class="card" aria-labelledby="moved"><h2 id="moved">Features moved</h2>
      ${moves.length === 0 ? html`<p class="quiet">No feature has changed its category so far.</p>` : html`
        <div class="scroll" tabindex="0" role="region" aria-labelledby="moved"><table class="plain">
          <thead><tr><th scope="col">Epoch</th><th scope="col">Feature</th><th scope="col">From</th><th scope="col">To</th></tr></thead>
          <tbody>${moves.slice(0, SHOWN).map(({epoch, name, from, to}) => html`<tr><td>${epoch === 0 ? 'search' : count(epoch)}</td>
            <th scope="row">${name}</th><td>${from}</td><td>${to}</td></tr>`)}</tbody></table></div>
        ${moves.length > SHOWN && html`<p class="quiet">and ${count(moves.length - SHOWN)} earlier ones</p>`}`}
    </section>`;
}
