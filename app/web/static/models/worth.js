// What else was measured: shorter codes, how stable the categories are, what codes tell of keys.
import {html} from '../html.js';
import {Bars} from '../parts/bars.js';
import {number, percent, plural} from '../format.js';

export function Worth({report}) {
  const {by_levels: levels = [], stability, probes} = report;
  if (!levels.length && !stability && !probes) return null;
  return html`
    <section class="card" aria-labelledby="worth"><h2 id="worth">What the codes are worth</h2>
      ${stability && html`<p>Found anew from random halves of the rows, the categories agree with these by
        ${' '}<strong>${number(stability.agreement)}</strong> (adjusted Rand index: 1 is alike, 0 is chance).</p>`}
      <div class="pair">
        ${levels.length > 0 && html`<${Bars} caption="Error of shorter codes: the first codes of each category alone" rows=${levels.map(level => ({
          label: plural(level.levels, 'code'), value: level.reconstruction_error, note: `${number(level.bits_per_row)} bits a row`}))} />`}
        ${probes && probes.map(({key, linear, trees, decoded, commonest}) => html`<${Bars} key=${key} max=${1} show=${percent}
          caption=${`How often codes tell ${key}, which nothing was trained on`} rows=${[
            {label: 'codes, logistic regression', value: linear, isOwn: true}, {label: 'codes, trees', value: trees, isOwn: true},
            {label: 'decoded rows, logistic regression', value: decoded}, {label: 'always the commonest value', value: commonest}]} />`)}
      </div>
    </section>`;
}
