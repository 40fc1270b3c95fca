// Starts the page.
import {html, render} from './html.js';
import {App} from './app.js';

// A file that is dropped beside its place must not take the page's.
for (const name of ['dragover', 'drop']) window.addEventListener(name, event => event.preventDefault());

const root = document.getElementById('page');
root.replaceChildren();
render(html`<${App} />`, root);
