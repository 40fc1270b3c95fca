// From a file to a dataset: drop it, see what each column would be, change that, upload it.
import {html, useState} from '../html.js';
import {go, link} from '../router.js';
import {getPage} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {useObservable} from '../service/observable.js';
import {session, mayWrite} from '../service/session.js';
import {Action, ReadOnlyNote} from '../parts/action.js';
import {Drop} from '../parts/drop.js';
import {Meter} from '../parts/meter.js';
import {notify} from '../parts/notices.js';
import {Title} from '../parts/title.js';
import {Refusal} from '../parts/trouble.js';
import {bytes, plural} from '../format.js';
import {Contents} from './dataset.js';
import {ENDINGS, formatOf} from './file_format.js';
import {look, upload} from './upload.js';

export function NewView() {
  const [file, setFile] = useState(null);
  const isAble = mayWrite(useObservable(session));
  return html`
    <${Title} tab="New">A new dataset<//>
    <${ReadOnlyNote} />
    <p>A table with one row for each thing and one column for each feature: CSV, Parquet, Arrow, NPY, NPZ, HDF5 or JSON, also packed
      with gzip. First you see how it would be read; nothing is stored before you say so.</p>
    ${isAble && html`<${Drop} isLarge label=${file ? `${file.name}, ${bytes(file.size)} – drop another file, or choose one` : 'Drop a file here, or choose one'}
      accept=${ENDINGS} take=${setFile} />`}
    ${!file && html`<${Recent} />`}
    ${file && html`<${Look} key=${`${file.name} ${file.size} ${file.lastModified}`} file=${file} />`}`;
}

// The newest datasets: a job may as well train on one that is here.
function Recent() {
  const {data} = useLoaded(signal => getPage('/v1/datasets?limit=8', {signal}), []);
  return data && data.items.length > 0 && html`<section class="card" aria-labelledby="recent"><h2
    id="recent">Or train on one that is here</h2>
    <ul class="lines">${data.items.map(({id, name, rows, features}) => html`<li key=${id}><a href=${link(['datasets', id])}>
      ${name || id}</a>
      ${' '}<span class="quiet">${plural(rows, 'row')}, ${plural(features.length, 'feature')}</span></li>`)}</ul></section>`;
}

function Look({file}) {
  const format = formatOf(file);
  const [types, setTypes] = useState({});
  const [families, setFamilies] = useState('');
  const [name, setName] = useState(file.name.replace(/(\.[a-z0-9]{1,7}){1,2}$/i, ''));
  const [sent, setSent] = useState(null);
  const options = {name, families, types, format};
  const settings = JSON.stringify({types, families});
  const {data, error} = useLoaded(signal => look(file, options, signal), ['look', settings]);
  const choose = (column, type) => {
    const {[column]: _, ...others} = types;
    setTypes(type ? {...others, [column]: type} : others);
  };
  const store = async () => {
    setSent(0);
    try {
      const dataset = await upload(file, options, setSent);
      notify(`${dataset.name || dataset.id} is stored.`);
      go(['datasets', dataset.id]);
    } finally {
      setSent(null);
    }
  };
  return html`
    <section class="card"><div class="row">
      <label for="name">Name</label><input id="name" value=${name} maxlength="200" onInput=${event => setName(event.target.value)} />
      <label for="families">Families by the part of a name before</label><input id="families" size="3" placeholder="_"
        maxlength="10" value=${families}
        onInput=${event => setFamilies(event.target.value)} />
      <${Action} kind="primary" act=${store} unless=${data && !error ? null : 'It has to be readable first.'}>Upload<//></div>
      ${sent !== null && html`<p role="status">
        ${sent < 1 ? `${Math.round(100 * sent)}% of ${bytes(file.size)} sent` : 'All is sent; it is being read …'}</p>
        <${Meter} value=${sent} label="Upload" />`}
      <${Refusal} error=${error} />
      ${data && !data.isWhole && html`<p class="note">The file is long: this was seen in its first lines. The rest is read when it is uploaded, and may change types.</p>`}
      ${!data && !error && html`<p class="quiet" role="status">Reading …</p>`}
    </section>
    ${data && html`<${Contents} found=${data.document} choices=${types} choose=${choose} />`}`;
}
