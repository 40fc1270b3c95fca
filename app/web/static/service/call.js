// One request to the service: adds the key, and turns every refusal into a Problem.
import {session, signOut} from './session.js';
import {noteAnswer, noteSilence} from './connection.js';

export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail || document.title || `The service answered ${status}.`);
    this.status = status;
    this.code = document.code;
    this.errors = document.errors || [];
    this.retryAfter = retryAfter;
  }
}

class Unreachable extends Error {
  constructor() {
    super('The service does not answer.');
  }
}

export function authorization() {
  const {key} = session.value;
  return key ? {Authorization: `Bearer ${key}`} : {};
}

export async function call(path, {method = 'GET', accept = 'application/json', type, body, headers = {}, signal} = {}) {
  const sent = {Accept: accept, ...authorization(), ...headers};
  if (type) sent['Content-Type'] = type;
  let answer;
  try {
    answer = await fetch(path, {method, headers: sent, body, signal, credentials: 'omit', redirect: 'error'});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    noteSilence();
    throw new Unreachable();
  }
  noteAnswer();
  if (answer.ok || answer.status === 304) return answer;
  throw await problemOf(answer);
}

async function problemOf(answer) {
  const document = await answer.json().catch(() => ({}));
  if (answer.status === 401) signOut(session.value.key ? 'This key is unknown or was revoked.' : null);
  return new Problem(answer.status, document, Number(answer.headers.get('Retry-After')) || 0);
}

export async function getJson(path, options) {
  return (await call(path, options)).json();
}

export async function sendJson(path, document, options = {}) {
  const body = document === undefined ? {} : {type: 'application/json', body: JSON.stringify(document)};
  const answer = await call(path, {method: 'POST', ...body, ...options});
  return answer.status === 204 ? null : answer.json();
}

// One page of a list: {items, next}, where `next` is the path of the following page or null.
export async function getPage(path, options) {
  const answer = await call(path, options);
  const next = /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get('Link') || '');
  return {...await answer.json(), next: next ? next[1] : null};
}

export const query = values => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
};
