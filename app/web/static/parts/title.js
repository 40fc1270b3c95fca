// The heading of a view, which is also the tab's title.
import {html, useEffect} from '../html.js';

export function Title({children, tab}) {
  useEffect(() => {
    document.title = `${tab} · catvq`;
  }, [tab]);
  return html`<h1>${children}</h1>`;
}
