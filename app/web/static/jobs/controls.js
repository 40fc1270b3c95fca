// What can be done with a job: the actions that its links offer.
import {html} from '../html.js';
import {go} from '../router.js';
import {call, sendJson} from '../service/call.js';
import {hasEnded} from '../service/job.js';
import {Action} from '../parts/action.js';
import {notify} from '../parts/notices.js';

const ACTIONS = {
  pause: {title: 'Pause', said: 'It is being paused; its state is kept.'},
  resume: {title: 'Resume', said: 'It goes on as soon as a worker is free.', kind: 'primary'},
  finish: {title: 'Finish', said: 'It ends its training now and publishes the model.', confirm: 'End the training now and publish what was learnt so far?'},
  retry: {title: 'Retry', said: 'It is in the queue again.', kind: 'primary'},
  cancel: {title: 'Cancel', said: 'It is being cancelled.', kind: 'danger', confirm: 'Cancel this job?'},
};

export function Controls({job, update}) {
  const act = async name => {
    update(await sendJson(job.links[name]));
    notify(ACTIONS[name].said);
  };
  const remove = async () => {
    await call(job.links.self, {method: 'DELETE'});
    notify('The job is deleted; its model stays.');
    go(['jobs']);
  };
  return html`<div class="actions" role="group" aria-label="Actions">
    ${Object.entries(ACTIONS).filter(([name]) => job.links[name]).map(([name, {title, kind, confirm}]) => html`
      <${Action} key=${name} kind=${kind} confirm=${confirm} act=${() => act(name)}>${title}<//>`)}
    ${hasEnded(job) && html`<${Action} kind="danger" act=${remove}
      confirm="Delete this job and what it recorded? Its model stays.">Delete<//>`}
  </div>`;
}
