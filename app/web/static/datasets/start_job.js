// A form for a training job. The plan for what is filled in stands beside it before anything is posted.
import {html, useMemo, useState} from '../html.js';
import {go} from '../router.js';
import {sendJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {useObservable} from '../service/observable.js';
import {session, mayWrite} from '../service/session.js';
import {pause} from '../service/waiting.js';
import {Action} from '../parts/action.js';
import {notify} from '../parts/notices.js';
import {Refusal} from '../parts/trouble.js';
import {Plan} from './plan.js';
import {requestOf, EMPTY} from './job_request.js';

const SETTLE_MS = 400; // after the last key, before the plan is asked for

const randomKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');

export function StartJob({dataset}) {
  const [fields, setFields] = useState(EMPTY);
  const isAble = mayWrite(useObservable(session));
  const set = event => setFields({...fields, [event.target.name]: event.target.value});
  const {request, mistake} = requestOf(dataset.id, fields);
  const text = JSON.stringify(request);
  const {data: plan, error} = useLoaded(async signal => {
    if (mistake || !isAble) return null;
    await pause(SETTLE_MS, signal);
    return sendJson('/v1/jobs?dry_run=true', request, {signal});
  }, [dataset.id, text, isAble]);
  const key = useMemo(randomKey, [text]); // the same request, sent twice, is one job
  const start = async () => {
    const job = await sendJson('/v1/jobs', request, {headers: {'Idempotency-Key': key}});
    notify('The job is in the queue.');
    go(['jobs', job.id]);
  };
  if (!isAble) return null;
  return html`
    <section class="card start" aria-labelledby="start"><h2 id="start">Train on it</h2>
      <div class="pair">
        <form onSubmit=${event => event.preventDefault()}>
          <label>Name <input name="name" maxlength="200" value=${fields.name} onInput=${set} /></label>
          <label>Categories <input name="categories" placeholder="auto" value=${fields.categories} onInput=${set} /></label>
          <label>Assignment <select name="mode" value=${fields.mode} onChange=${set}><option
            value="learnable">learnt while training</option>
            <option value="static">fixed from the start</option></select></label>
          <label>Epochs <input name="epochs" placeholder="auto" value=${fields.epochs} onInput=${set} /></label>
          <label>Codes a category <input name="levels" placeholder="3" value=${fields.levels} onInput=${set} /></label>
          <label>Seed <input name="seed" placeholder="0" value=${fields.seed} onInput=${set} /></label>
          <label>Labels <input name="labels" placeholder="team=x, run=2" value=${fields.labels} onInput=${set} /></label>
          <details><summary>Any other setting, as JSON</summary><textarea name="more" aria-label="Other settings as JSON" spellcheck="false"
            placeholder=${'{"training": {"learning_rate": 0.001}}'} value=${fields.more} onInput=${set}></textarea></details>
        </form>
        <div aria-live="polite"><${Plan} plan=${mistake || error ? null : plan} />${mistake && html`<p class="error">
          ${mistake}</p>`}<${Refusal} error=${mistake ? null : error} />
          <div class="actions"><${Action} kind="primary" act=${start}
            unless=${mistake || (error ? 'The plan was refused.' : null)}>Start the job<//></div></div>
      </div>
    </section>`;
}
