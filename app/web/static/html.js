// Preact with tagged templates: everything that is shown goes through here, so text is always text.
import {h, render, Fragment} from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
export {render, Fragment};
export {useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback} from './vendor/hooks.js';
