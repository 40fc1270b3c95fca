// Asks for the API key of this tab.
import {html, useState} from '../html.js';
import {signIn} from '../service/session.js';

export function SignIn({refusal}) {
  const [key, setKey] = useState('');
  const submit = event => {
    event.preventDefault();
    if (key.trim()) signIn(key.trim());
  };
  return html`
    <section class="sign-in card">
      <h1>Sign in</h1>
      <p>This service asks for an API key. A <em>read</em> key sees everything, a <em>write</em> key also acts. The key stays in
        this tab and is gone when the tab is closed.</p>
      ${refusal && html`<p class="error" role="alert">${refusal}</p>`}
      <form onSubmit=${submit}>
        <label for="key">API key</label>
        <div class="row">
          <input id="key" type="password" autocomplete="off" spellcheck="false" required value=${key}
            onInput=${event => setKey(event.target.value)} />
          <button class="primary">Sign in</button>
        </div>
      </form>
    </section>`;
}
