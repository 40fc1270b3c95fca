// The API key of this tab, and what it may do. The key is kept in sessionStorage: it goes with the tab.
import {observable} from './observable.js';

const NAME = 'catvq-key';

// key: null or text; scope: null until known; info: what GET /v1 answered; refusal: why a key is asked for.
export const session = observable({
  key: sessionStorage.getItem(NAME),
  asks: document.documentElement.dataset.keys === 'required' && !sessionStorage.getItem(NAME),
  scope: null,
  info: null,
  refusal: null,
});

export function signIn(key) {
  sessionStorage.setItem(NAME, key);
  session.set({...session.value, key, asks: false, refusal: null});
}

export function signOut(refusal = null) {
  sessionStorage.removeItem(NAME);
  session.set({key: null, asks: true, scope: null, info: null, refusal});
}

export function remember(info) {
  session.set({...session.value, info, scope: info.scope});
}

export const mayWrite = current => current.scope === 'write' || current.scope === 'admin';
