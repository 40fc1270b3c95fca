// Values as horizontal bars, with the numbers beside them: a table that is also a chart.
import {html} from '../html.js';
import {number} from '../format.js';

// rows: [{label, value, note, isOwn, href}], value null where there is none; caption: what the values are.
export function Bars({rows, caption, show = number, max = null}) {
  const highest = max ?? Math.max(...rows.map(({value}) => value || 0), 1e-12);
  return html`
    <table class="bars"><caption>${caption}</caption>
      <tbody>${rows.map(({label, value, note, isOwn}) => html`
        <tr class=${isOwn ? 'own' : ''}><th scope="row">${label}</th>
          <td class="bar" aria-hidden="true"><div style=${{width: `${100 * Math.max(0, Math.min(1, (value || 0) / highest))}%`}}></div></td>
          <td class="number">${show(value)}</td>${note !== undefined && html`<td class="quiet">${note}</td>`}</tr>`)}</tbody></table>`;
}
