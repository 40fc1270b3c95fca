// Starts the page.
import {html, render} from './html.js';
import {App} from './app.js';

const root = document.getElementById('page');
root.replaceChildren();
render(html`<${App} />`, root);
