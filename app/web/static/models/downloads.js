// What can be taken away: the grouping, the assignment, the report, the encoder.
import {html} from '../html.js';
import {Busy} from '../parts/busy.js';
import {Download, saveText} from '../parts/save.js';

export function Downloads({model, grouping}) {
  const {id} = model;
  const own = `/v1/models/${id}`;
  return html`
    <section class="card" aria-labelledby="downloads"><h2 id="downloads">Take it away</h2><div class="actions">
      <${Busy} act=${() => saveText(`${id}-grouping.csv`, groupingCsv(grouping), 'text/csv')}>Grouping, CSV<//>
      <${Download} path=${`${own}/grouping`} name=${`${id}-grouping.json`}>Grouping, JSON<//>
      <${Download} path=${`${own}/grouping`} accept="image/svg+xml" name=${`${id}-grouping.svg`}>Grouping, SVG<//>
      <${Download} path=${`${own}/assignment`} accept="text/csv" name=${`${id}-assignment.csv`}>Assignment, CSV<//>
      <${Download} path=${`${own}/assignment`} accept="image/png" name=${`${id}-assignment.png`}>Assignment, PNG<//>
      <${Download} path=${`${own}/report`} name=${`${id}-report.json`}>Report, JSON<//>
      <${Download} path=${`${own}/artifact`} accept="application/octet-stream" name=${`${id}.onnx`}>Encoder, ONNX<//>
    </div></section>`;
}

function groupingCsv({features, categories}) {
  const names = new Map(categories.map(({index, name}) => [index, name]));
  const rows = features.map(({name, family, category, confidence, runner_up: next}) =>
    [name, family, names.get(category), confidence, next === null ? '' : names.get(next)]);
  return [['feature', 'family', 'category', 'confidence', 'runner_up'], ...rows].map(row => row.map(cell).join(',')).join('\n') + '\n';
}

// As the API writes CSV: text that a spreadsheet would run gets an apostrophe.
function cell(value) {
  if (typeof value === 'number') return String(value);
  const safe = String(value).replace(/^(?=[=+\-@])|(?<=;)(?=[=+\-@])/g, "'");
  return /[",\n\r']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
