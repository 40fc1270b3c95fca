// Whether the service answers: 'ok', or 'lost' since the last request that reached nobody.
import {observable} from './observable.js';

export const connection = observable('ok');

export function noteAnswer() {
  if (connection.value !== 'ok') connection.set('ok');
}

export function noteSilence() {
  if (connection.value !== 'lost') connection.set('lost');
}
