// What could not be loaded, and why.
import {html} from '../html.js';

export function Trouble({error, what = 'This'}) {
  const title = error.status === 404 || error.status === 410 ? `${what} is not there` : `${what} could not be loaded`;
  return html`<section class="trouble" role="alert"><h1>${title}</h1><p>${error.message}</p></section>`;
}

export const Loading = ({what}) => html`<p class="quiet" role="status">Loading ${what} …</p>`;

// The text of a refusal, with the places it names.
export function Refusal({error}) {
  if (!error) return null;
  return html`<div class="error" role="alert"><p>${error.message}</p>
    ${error.errors && error.errors.length > 0 && html`<ul>${error.errors.map(({detail, field, column, row}) => html`
      <li>${[field && html`<code>${field}</code>`, column && html`column <code>${column}</code>`, row && `row ${row}`]
        .filter(Boolean).map(part => html`${part} `)}${detail}</li>`)}</ul>`}</div>`;
}
