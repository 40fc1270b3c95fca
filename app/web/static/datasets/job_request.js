// What the form's fields ask for, as the body of a job; or the mistake in them.
export const EMPTY = {name: '', categories: '', mode: 'learnable', epochs: '', levels: '', seed: '', labels: '', more: ''};

const WHOLE = /^\d+$/;

export function requestOf(dataset, fields) {
  const whole = name => {
    const text = fields[name].trim();
    if (text && text !== 'auto' && !WHOLE.test(text)) throw new Error(`${name[0].toUpperCase()}${name.slice(1)}: a whole number, or nothing.`);
    return WHOLE.test(text) ? Number(text) : undefined;
  };
  try {
    const request = {
      dataset, name: fields.name.trim() || undefined, labels: labelsOf(fields.labels),
      model: given({categories: whole('categories'), levels: whole('levels')}),
      assignment: given({mode: fields.mode === 'learnable' ? undefined : fields.mode}),
      training: given({epochs: whole('epochs'), seed: whole('seed')}),
    };
    return {request: given(merge(request, moreOf(fields.more))), mistake: null};
  } catch (error) {
    return {request: {dataset}, mistake: error.message};
  }
}

function labelsOf(text) {
  const pairs = text.split(',').map(part => part.trim()).filter(Boolean).map(part => part.split('='));
  if (pairs.some(pair => pair.length !== 2 || !pair[0].trim())) throw new Error('Labels: name=value, separated by commas.');
  return given(Object.fromEntries(pairs.map(([name, value]) => [name.trim(), value.trim()])));
}

function moreOf(text) {
  if (!text.trim()) return {};
  let more;
  try {
    more = JSON.parse(text);
  } catch {
    throw new Error('Other settings: this is not JSON.');
  }
  if (more === null || typeof more !== 'object' || Array.isArray(more)) throw new Error('Other settings: a JSON object, such as {"training": {"max_seconds": 60}}.');
  return more;
}

function merge(one, other) {
  const merged = {...one};
  Object.entries(other).forEach(([name, value]) => {
    const isBoth = [value, one[name]].every(part => part && typeof part === 'object' && !Array.isArray(part));
    merged[name] = isBoth ? {...one[name], ...value} : value;
  });
  return merged;
}

// Without what is undefined; undefined if nothing is left.
function given(values) {
  const left = Object.entries(values).filter(([, value]) => value !== undefined);
  return left.length ? Object.fromEntries(left) : undefined;
}
