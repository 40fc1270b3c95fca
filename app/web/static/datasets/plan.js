// What a job would take: time, memory, steps, and what to beware of.
import {html} from '../html.js';
import {bytes, count, duration} from '../format.js';

export function Plan({plan}) {
  if (!plan) return html`<h3>The plan</h3><p class="quiet">It stands here as soon as the service has made it.</p>`;
  const {estimate, rows, config} = plan;
  return html`<h3>The plan</h3>
    <dl class="facts">
      <div><dt>Time, about</dt><dd>${duration(estimate.seconds)}</dd></div><div><dt>Memory, about</dt><dd>
        ${bytes(estimate.memory_bytes)}</dd></div>
      <div><dt>Epochs</dt><dd>${config.training.epochs}</dd></div><div><dt>Steps</dt><dd>${count(plan.steps)}</dd></div>
      <div><dt>Rows that train</dt><dd>${count(rows.train)}</dd></div><div><dt>… validate, test</dt><dd>
        ${count(rows.validation)}, ${count(rows.test)}</dd></div>
      <div><dt>Device</dt><dd>${config.training.device}</dd></div><div><dt>Categories</dt><dd>
        ${typeof config.model.categories === 'object' ? JSON.stringify(config.model.categories) : config.model.categories}</dd>
        </div>
    </dl>
    <p class="under">${estimate.basis}</p>
    ${plan.warnings.length > 0 && html`<ul class="warnings">${plan.warnings.map(text => html`<li>${text}</li>`)}</ul>`}`;
}
