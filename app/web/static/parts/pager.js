// To the next page of a list, and back to its beginning. Pages are places in the browser's history.
import {html} from '../html.js';
import {link} from '../router.js';

export function Pager({parts, query, next}) {
  const {cursor, ...rest} = query;
  if (!cursor && !next) return null;
  const following = next && new URLSearchParams(next.split('?')[1]).get('cursor');
  return html`<nav class="pager" aria-label="Pages">
    ${cursor ? html`<a class="button" href=${link(parts, rest)}>Newest</a>
      <button onClick=${() => history.back()}>Back</button>` : html`<span></span>`}
    ${next && html`<a class="button" rel="next" href=${link(parts, {...rest, cursor: following})}>Older</a>`}
  </nav>`;
}
