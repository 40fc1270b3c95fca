// Whether the learnt categories are better than simpler ones, in words and as a chart.
import {html} from '../html.js';
import {Bars} from '../parts/bars.js';
import {number} from '../format.js';

const NAMES = {
  model: 'this model\'s categories', clustering: 'Ward clustering of correlation', feature_agglomeration: 'FeatureAgglomeration',
  spectral_coclustering: 'spectral co-clustering', spectral_correlation: 'spectral clustering, correlation',
  spectral_information: 'spectral clustering, mutual information', random: 'random groups',
  residual_k_means: 'residual k-means in the categories', ungrouped_residual_k_means: 'residual k-means without groups',
  principal_components: 'principal components, scalar codes',
};
const nameOf = name => NAMES[name] || name.replaceAll('_', ' ');

export function Verdict({report}) {
  const {baselines} = report;
  const [word, ...rest] = report.verdict.split(/:\s/);
  const kind = {better: 'good', as_good: 'unsure', worse: 'bad'}[baselines.outcome];
  return html`
    <section class="card" aria-labelledby="verdict"><h2 id="verdict">Are the categories worth it?</h2>
      <p role="status">${kind && rest.length ? html`<span class=${`badge ${kind}`}>${word}</span> ${rest.join(': ')}` : report.verdict}</p>
      ${baselines.contestants && html`<div class="pair">
        <${Bars} caption="Error on test rows, equal bits, each grouping trained alike; less is better" rows=${contestants(baselines)} />
        ${baselines.codecs && html`<${Bars} caption="The same rows and bits, by classical codecs and by the model as it is served"
          rows=${[...baselines.codecs.map(({name, test_error: value}) => ({label: nameOf(name), value})),
            ...(baselines.model_test_error ? [{label: 'the model as it is served', value: baselines.model_test_error, isOwn: true}] : [])]} />`}</div>`}
    </section>`;
}

function contestants({contestants: all}) {
  return [...all].sort((a, b) => a.test_error - b.test_error).map(({name, test_error: value, difference, standard_error: spread}) => ({
    label: nameOf(name), value, isOwn: name === 'model',
    note: name === 'model' ? '' : `${difference >= 0 ? '+' : '−'}${number(Math.abs(difference), 2)} ± ${number(2 * spread, 2)}`,
  }));
}
