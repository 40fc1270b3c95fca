// The names that lead to this model, and a way to give it one.
import {html, useState} from '../html.js';
import {call, getPage, sendJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Action} from '../parts/action.js';
import {notify} from '../parts/notices.js';

export function Aliases({model}) {
  const {data, reload} = useLoaded(signal => getPage('/v1/aliases?limit=1000', {signal}), [model.id]);
  const [name, setName] = useState('');
  const all = data ? data.items : [];
  const taken = all.find(alias => alias.name === name && alias.model !== model.id);
  const set = async () => {
    await sendJson(`/v1/aliases/${encodeURIComponent(name)}`, {model: model.id}, {method: 'PUT'});
    notify(`@${name} now names this model.`);
    setName('');
    reload();
  };
  const drop = async alias => {
    await call(`/v1/aliases/${encodeURIComponent(alias)}`, {method: 'DELETE'});
    notify(`@${alias} is gone.`);
    reload();
  };
  return html`
    <section class="card" aria-labelledby="aliases"><h2 id="aliases">Names</h2>
      <div class="row">${all.filter(alias => alias.model === model.id).map(alias => html`<span key=${alias.name}
        class="chip">@${alias.name}</span>
        <${Action} kind="plain" act=${() => drop(alias.name)}
          confirm=${`Take the name @${alias.name} from this model?`}>Drop @${alias.name}<//>`)}
        <label for="alias">Name</label><input id="alias" size="16" placeholder="production" value=${name}
          onInput=${event => setName(event.target.value.trim())} />
        <${Action} act=${set} unless=${name ? null : 'Give a name first.'}
          confirm=${taken ? `@${name} names ${taken.model} now. Let it name this model?` : null}>Name it so<//></div>
    </section>`;
}
