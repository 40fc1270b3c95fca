// How much of every codebook the training rows use. Read on demand: the codes themselves come with it.
import {html, useState} from '../html.js';
import {getJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Bars} from '../parts/bars.js';
import {number, percent} from '../format.js';

export function Codebooks({model, report}) {
  const [isOpen, setOpen] = useState(false);
  const codebook = report.codebook || {};
  return html`
    <section class="card" aria-labelledby="codebooks"><h2 id="codebooks">How the codebooks are used</h2>
      <p>${percent(codebook.usage)} of all codes are used; the perplexity is ${number(codebook.perplexity)}.
        ${codebook.used_bits_per_row !== undefined && html` ${number(codebook.used_bits_per_row)} of ${number(codebook.bits_per_row)} bits a row carry something.`}</p>
      <details onToggle=${event => setOpen(event.target.open)}><summary>Every codebook</summary>${isOpen && html`<${All}
        id=${model.id} />`}</details>
    </section>`;
}

function All({id}) {
  const path = `/v1/models/${id}/codebook`;
  const {data} = useLoaded(signal => getJson(path, {signal}), [path]);
  if (!data) return html`<p class="quiet" role="status">Loading …</p>`;
  return html`<div class="pair">${data.categories.map(({index, name, levels}) => html`<${Bars} key=${index} caption=${name}
    max=${1} show=${percent}
    rows=${levels.map(({level, usage, perplexity, codebook_size: size}) => ({label: `level ${level}`, value: usage, note: `perplexity ${number(perplexity)} of ${size}`}))} />`)}</div>`;
}
