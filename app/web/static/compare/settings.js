// The settings in which documents differ: paths such as `training.epochs`, with each one's value as text.

export function differences(documents) {
  const flat = documents.map(document => new Map(leaves(document)));
  const paths = [...new Set(flat.flatMap(values => [...values.keys()]))].filter(path => !path.startsWith('name'));
  return paths.map(path => ({path, values: flat.map(values => values.get(path) ?? '–')}))
    .filter(({values}) => new Set(values).size > 1);
}

function leaves(value, path = '') {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [[path, typeof value === 'string' ? value : JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, part]) => leaves(part, path ? `${path}.${name}` : name));
}
