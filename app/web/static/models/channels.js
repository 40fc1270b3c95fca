// How well series and grids are rebuilt: what the codes keep of each channel's descriptors, on test rows.
import {html, useState} from '../html.js';
import {Bars} from '../parts/bars.js';
import {percent} from '../format.js';

export function Channels({report}) {
  const [chosen, setChosen] = useState('');
  const channels = (report.channels || []).map(({name, rebuilt}) => ({name, rebuilt: Object.entries(rebuilt)}));
  if (!channels.length) return null;
  return html`
    <section class="card" aria-labelledby="channels"><h2 id="channels">What the codes keep of series and grids</h2>
      <p class="under">Each channel is described by fixed numbers, its descriptors. Here is how much of their variance between test rows
        comes back from the codes: 100% is all of it, 0% no more than their mean.</p>
      <${Bars} caption="Each channel: the mean of its descriptors" max=${1} show=${percent}
        rows=${channels.map(({name, rebuilt}) => ({label: name, value: mean(rebuilt.map(([, share]) => share))}))} />
      <label>Every descriptor of <select value=${chosen} onChange=${event => setChosen(event.target.value)}>
        <option value="">…</option>${channels.map(({name}) => html`<option value=${name}>${name}</option>`)}</select></label>
      ${channels.filter(({name}) => name === chosen).map(({name, rebuilt}) => html`<${Bars} caption=${name} max=${1} show=${percent}
        rows=${rebuilt.map(([label, value]) => ({label, value}))} />`)}
    </section>`;
}

function mean(shares) {
  const known = shares.filter(share => share !== null);
  return known.length ? known.reduce((sum, share) => sum + share, 0) / known.length : null;
}
