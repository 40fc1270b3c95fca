// The frozen grouping: a card for each category, with its features, the doubtful ones marked.
import {html, useMemo, useState} from '../html.js';
import {familyColour} from '../matrix/colours.js';
import {number, percent, plural} from '../format.js';

const FEW = 60; // features of a category that are shown at once
const UNSURE = 0.5;

export function Grouping({grouping, doubtful}) {
  const [text, setText] = useState('');
  const wanted = text.trim().toLowerCase();
  const families = useMemo(() => [...new Set(grouping.features.map(({family}) => family))], [grouping]);
  const known = useMemo(() => ({
    features: new Map(grouping.features.map(feature => [feature.name, feature])),
    doubts: new Map(doubtful.map(doubt => [doubt.name, doubt])),
    names: new Map(grouping.categories.map(({index, name}) => [index, name])),
    families,
  }), [grouping, doubtful]);
  return html`
    <section class="card" aria-labelledby="grouping"><h2 id="grouping">Which features belong together</h2>
      <div class="row between"><label>Find a feature <input type="search" value=${text}
        onInput=${event => setText(event.target.value)} /></label>
        <span class="legend">${families.length > 1 && families.map((name, n) => html`<span class="key"><i
          style=${{background: familyColour(n)}}></i>${name}</span>`)}
          ${doubtful.length > 0 && html`<span><span
            class="feature doubtful">name ?</span> ${plural(doubtful.length, 'doubtful feature')}: another category would do as well</span>`}</span></div>
      <div class="categories">${grouping.categories.map(category => html`<${Category} key=${category.index} category=${category}
        known=${known} wanted=${wanted} />`)}</div>
    </section>`;
}

function Category({category, known, wanted}) {
  const [showsAll, setShowsAll] = useState(false);
  const features = wanted ? category.features.filter(name => name.toLowerCase().includes(wanted)) : category.features;
  if (wanted && !features.length) return null;
  const shown = showsAll ? features : features.slice(0, FEW);
  return html`
    <article class="category"><header><h3>${category.name}</h3><span class="quiet">
      ${plural(category.features.length, 'feature')}</span></header>
      ${category.features.length === 0 ? html`<p class="quiet">Empty: its codes are constant.</p>` : html`
        <ul>${shown.map(name => html`<${Feature} key=${name} name=${name} known=${known} />`)}</ul>
        ${features.length > FEW && html`<button class="plain" onClick=${() => setShowsAll(!showsAll)}>
          ${showsAll ? 'Show fewer' : `Show all ${features.length}`}</button>`}`}
    </article>`;
}

function Feature({name, known}) {
  const {confidence, runner_up: next, family} = known.features.get(name);
  const doubt = known.doubts.get(name);
  const other = next === null ? null : known.names.get(next);
  const words = [`${name}: ${percent(confidence)} sure`, other && `then ${other}`,
    doubt && `doubtful: ${known.names.get(doubt.runner_up)} would change the error by ${number(doubt.swap_cost, 2)}`].filter(Boolean).join(', ');
  return html`<li class=${`feature ${doubt || confidence < UNSURE ? 'doubtful' : ''}`} title=${words}>
    ${known.families.length > 1 && html`<i aria-hidden="true" style=${{background: familyColour(known.families.indexOf(family))}}>
      </i>`}${name}
    ${confidence < 0.995 && html` <small>${percent(confidence)}</small>`}${doubt && html` <small><span aria-hidden="true">?</span>
      <span class="hidden">doubtful</span></small>`}</li>`;
}
