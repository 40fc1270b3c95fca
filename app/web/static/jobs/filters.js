// Which jobs are listed: by state, dataset and label.
import {html, useState, useEffect} from '../html.js';
import {go, link} from '../router.js';
import {getPage} from '../service/call.js';
import {useLoaded} from '../service/loading.js';

const STATES = ['queued', 'running', 'pausing', 'paused', 'cancelling', 'cancelled', 'succeeded', 'failed'];

export function Filters({filters}) {
  const {data} = useLoaded(signal => getPage('/v1/datasets?limit=100', {signal}), []);
  const labels = Object.entries(filters).filter(([name]) => name.startsWith('label.'));
  const set = (name, value) => go(['jobs'], {...filters, [name]: value});
  return html`
    <search class="filters">
      <label>State <select value=${filters.status || ''} onChange=${event => set('status', event.target.value)}>
        <option value="">any</option>${STATES.map(state => html`<option value=${state}>${state}</option>`)}</select></label>
      <label>Dataset <select value=${filters.dataset || ''} onChange=${event => set('dataset', event.target.value)}>
        <option value="">any</option>${options(data, filters.dataset).map(({id, name}) => html`<option value=${id}>${name || id}</option>`)}
      </select></label>
      <${LabelField} filters=${filters} />
      ${labels.map(([name, value]) => html`<span class="chip">${name.slice(6)}=${value}
        <button class="plain" aria-label=${`Drop the label ${name.slice(6)}`} onClick=${() => set(name, null)}>×</button></span>`)}
      ${Object.keys(filters).length > 0 && html`<a href=${link(['jobs'])}>Show all</a>`}
    </search>`;
}

// A dataset beyond the newest hundred is listed while it is filtered by.
function options(page, current) {
  const items = page ? page.items : [];
  return current && !items.some(({id}) => id === current) ? [{id: current}, ...items] : items;
}

function LabelField({filters}) {
  const [text, setText] = useState('');
  useEffect(() => setText(''), [filters]);
  const add = event => {
    event.preventDefault();
    const [name, ...value] = text.split('=');
    if (name.trim() && value.length) go(['jobs'], {...filters, [`label.${name.trim()}`]: value.join('=').trim()});
  };
  return html`<form onSubmit=${add}><label>Label <input placeholder="team=x" size="12" value=${text}
    onInput=${event => setText(event.target.value)} /></label></form>`;
}
