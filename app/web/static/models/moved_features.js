// What training moved: the features that did not stay in the category where they started.
import {html} from '../html.js';
import {count, plural} from '../format.js';

const SHOWN = 200;

export function MovedFeatures({report}) {
  const moved = report.moved_features;
  const start = report.start && report.start.chosen;
  return html`
    <section class="card" aria-labelledby="moves"><h2 id="moves">What training moved</h2>
      <p>${start && html`The assignment started from <em>${start.replaceAll('_', ' ')}</em>. `}
        ${moved.length ? `${plural(moved.length, 'feature')} changed the category after that.` : 'No feature changed its category after that: the start found these categories, and training made the codes.'}</p>
      ${moved.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-labelledby="moves"><table class="plain">
        <thead><tr><th scope="col">Feature</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Epoch</th></tr></thead>
        <tbody>${moved.slice(0, SHOWN).map(({name, from, to, epoch}) => html`<tr><th scope="row">${name}</th><td>${from}</td><td>${to}</td>
          <td>${epoch === 0 ? 'search' : count(epoch)}</td></tr>`)}</tbody></table></div>`}</section>`;
}
