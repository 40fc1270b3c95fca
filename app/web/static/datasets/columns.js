// The columns of a table: type, missing cells, distribution; with a choice of types where the table is only looked at.
import {html, useState} from '../html.js';
import {count} from '../format.js';

const PAGE = 100;
const TYPES = ['numeric', 'categorical', 'datetime', 'key', 'ignore'];

// choices: {column: type} chosen so far; choose(column, type): null where nothing can be chosen any more.
export function Columns({found, choices, choose}) {
  const [text, setText] = useState('');
  const [shown, setShown] = useState(PAGE);
  const all = [...found.columns, ...found.left_out.map(({name, reason}) => ({name, reason}))];
  const wanted = text.trim().toLowerCase();
  const rows = wanted ? all.filter(({name}) => name.toLowerCase().includes(wanted)) : all;
  const isLook = choose !== null;
  return html`
    <div class="row between"><h3>Columns</h3><label>Find a column <input type="search" value=${text}
      onInput=${event => setText(event.target.value)} /></label></div>
    <div class="scroll tall" tabindex="0" role="region" aria-label="Columns"><table class="plain columns">
      <thead><tr><th scope="col">Column</th><th scope="col">Type</th>${isLook && html`<th scope="col" class="number">Missing</th>
        <th scope="col">Values</th>`}
        <th scope="col">Family</th></tr></thead>
      <tbody>${rows.slice(0, shown).map(column => html`<tr key=${column.name} class=${column.reason ? 'left-out' : ''}>
        <th scope="row">${column.name}</th>
        <td>${isLook ? html`<${Choice} column=${column} chosen=${choices[column.name]}
          choose=${choose} />` : column.reason ? 'left out' : column.type}</td>
        ${isLook && html`<td class="number">${column.reason ? '' : count(column.missing)}</td><td><${Spread} column=${column}
          rows=${found.rows} /></td>`}
        <td>${column.reason ? html`<span class="quiet">${column.reason}</span>` : column.family || html`<span class="quiet">
          ${column.type === 'key' ? 'never learnt from' : ''}</span>`}
          ${!isLook && column.values && html` <span class="quiet">${count(column.values.length)} values</span>`}</td>
            </tr>`)}</tbody></table></div>
    ${rows.length > shown && html`<button onClick=${() => setShown(shown + 5 * PAGE)}>Show more of ${count(rows.length)}</button>`}`;
}

function Choice({column, chosen, choose}) {
  const own = column.reason ? 'left out' : column.type;
  return html`<select aria-label=${`Type of ${column.name}`} value=${chosen || ''}
    onChange=${event => choose(column.name, event.target.value)}>
    <option value="">${chosen ? 'as it looks' : own}</option>
      ${TYPES.filter(type => chosen || type !== own).map(type => html`<option value=${type}>
      ${type === 'ignore' ? 'leave out' : type}</option>`)}</select>`;
}

// A small histogram; screen readers hear what it spans.
function Spread({column}) {
  const {histogram, values} = column;
  if (!histogram || !histogram.counts.length) return null;
  const counts = histogram.counts.slice(0, 40);
  const highest = Math.max(...counts, 1);
  const words = values ? `${count(values.length)} values` : `from ${histogram.edges[0]} to ${histogram.edges[histogram.edges.length - 1]}`;
  return html`<svg class="spread" viewBox=${`0 0 ${counts.length} 20`} preserveAspectRatio="none" role="img" aria-label=${words}>
    <title>${words}</title>
    ${counts.map((value, n) => html`<rect x=${n + 0.08} width="0.84" y=${20 - (20 * value) / highest}
      height=${(20 * value) / highest} />`)}</svg>`;
}
