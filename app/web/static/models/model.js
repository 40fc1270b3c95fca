// One model: its verdict, its grouping, what was measured, and what it makes of rows.
import {html} from '../html.js';
import {go, link} from '../router.js';
import {call, getJson, getPage} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Action, ReadOnlyNote} from '../parts/action.js';
import {notify} from '../parts/notices.js';
import {Snippet} from '../parts/snippet.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {count, moment, number, percent} from '../format.js';
import {Aliases} from './aliases.js';
import {Channels} from './channels.js';
import {Codebooks} from './codebooks.js';
import {Downloads} from './downloads.js';
import {Encode} from './encode.js';
import {FrozenMatrix} from './frozen_matrix.js';
import {Grouping} from './grouping.js';
import {MovedFeatures} from './moved_features.js';
import {Sample} from './sample.js';
import {Verdict} from './verdict.js';
import {Worth} from './worth.js';

const WAITING_MS = 4000; // while the comparison with simpler methods is not done

export function ModelView({id}) {
  const own = `/v1/models/${id}`;
  const {data: model, error} = useLoaded(signal => getJson(own, {signal}), [own]);
  const {data: grouping} = useLoaded(signal => getJson(`${own}/grouping`, {signal}), [own]);
  const report = useReport(own);
  if (error) return html`<${Trouble} error=${error} what="This model" />`;
  if (!model || !grouping || !report) return html`<${Loading} what="the model" />`;
  return html`
    <div class="heading"><div><${Title} tab=${model.id}><code>${model.id}</code><//>
      <p class="under">made ${moment(model.created_at)} by <a href=${link(['jobs', model.job])}><code>${model.job}</code></a> from
        ${' '}<a href=${link(['datasets', model.dataset])}><code>${model.dataset}</code></a></p></div>
      <div class="actions"><${CompareWith} id=${model.id} /><${Remove} id=${model.id} /></div></div>
    <${ReadOnlyNote} />
    <${Facts} model=${model} report=${report} />
    <${Verdict} report=${report} />
    <${Worth} report=${report} />
    <${Grouping} grouping=${grouping} doubtful=${report.doubtful || []} />
    <${MovedFeatures} report=${report} />
    <${FrozenMatrix} model=${model} grouping=${grouping} />
    ${model.kinds.length ? html`<${Channels} report=${report} />` : html`<${Sample} model=${model} grouping=${grouping} report=${report} />`}
    <${Codebooks} model=${model} report=${report} />
    <${Encode} model=${model} />
    <${Downloads} model=${model} grouping=${grouping} />
    <${Aliases} model=${model} />
    <${Snippet} requests=${requestsOf(model)} />`;
}

// The report changes once more, when the comparison is done.
function useReport(own) {
  const first = useLoaded(signal => getJson(`${own}/report`, {signal}), [own]);
  const isOpen = Boolean(first.data) && ['pending', 'running'].includes(first.data.baselines.status);
  const later = useLoaded(async signal => (isOpen ? getJson(`${own}/report`, {signal}) : null), [own, isOpen], {every: isOpen ? WAITING_MS : null});
  return later.data || first.data;
}

function Facts({model, report}) {
  const {metrics} = model;
  const errors = metrics.reconstruction_error || {};
  const tokens = report.tokens || {};
  return html`<section class="card" aria-label="In short"><dl class="facts first">
    <div><dt>Features</dt><dd>${count(model.features.length)}</dd></div>
    <div><dt>Categories</dt><dd>${count(model.categories.length)}${metrics.active_categories < model.categories.length && `, ${metrics.active_categories} in use`}</dd></div>
    <div><dt>Codes a row</dt><dd>${count(model.categories.length * model.levels)}</dd></div>
    <div><dt>Bits a row</dt><dd>${number(metrics.bits_per_row)}</dd></div>
    <div><dt>Error, training rows</dt><dd>${number(errors.train)}</dd></div>
    <div><dt>Error, test rows</dt><dd>${number(errors.test)}</dd></div>
    <div><dt>Distinct rows of codes</dt><dd>${percent(tokens.distinct)}</dd></div>
    <div><dt>Commonest row of codes</dt><dd>${percent(tokens.commonest)} of rows</dd></div>
    <div><dt>Rows that share theirs</dt><dd>${percent(tokens.shared)}</dd></div>
  </dl>
  <p class="under">Errors are mean squared errors in units of each feature's variance: 0 is perfect, 1 is no better than the mean.</p>
  ${report.warnings && report.warnings.length > 0 && html`<ul class="warnings">${report.warnings.map(warning => html`<li>
    ${warning.detail || String(warning)}</li>`)}</ul>`}
  </section>`;
}

function CompareWith({id}) {
  const {data} = useLoaded(signal => getPage('/v1/models?limit=20', {signal}), [id]);
  const others = data ? data.items.filter(other => other.id !== id) : [];
  return others.length ? html`<label>Compare with <select value=""
    onChange=${event => go(['compare', 'models'], {from: event.target.value, to: id})}>
    <option value="">…</option>${others.map(other => html`<option value=${other.id}>${other.id}</option>`)}</select></label>` : null;
}

function Remove({id}) {
  const act = async () => {
    await call(`/v1/models/${id}`, {method: 'DELETE'});
    notify('The model is deleted.');
    go(['models']);
  };
  return html`<${Action} kind="danger" act=${act} confirm="Delete this model? It cannot be made again without its dataset.">Delete<//>`;
}

const requestsOf = ({id, kinds}) => [
  {path: `/v1/models/${id}/grouping`, output: 'grouping.json', python: `grouping = client.models.grouping("${id}")`},
  {path: `/v1/models/${id}/encodings`, method: 'POST', ...(kinds.length ? {type: 'application/x-npz', body: 'rows.npz'} : {type: 'text/csv', body: 'rows.csv'}), accept: 'application/x-npy', output: 'codes.npy',
    python: `codes = client.models.encode("${id}", rows)`},
  {path: `/v1/models/${id}/artifact`, output: 'model.onnx', python: `encoder = client.models.artifact("${id}")  # the bytes of an ONNX file`},
];
