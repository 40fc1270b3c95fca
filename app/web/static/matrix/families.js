// Which family each feature belongs to, as an index into the families' names.

export function familiesOf(features, columns) {
  const familyOf = new Map(columns.map(({name, family}) => [name, family]));
  const names = [...new Set(features.map(name => familyOf.get(name)).filter(Boolean))];
  const index = new Map(names.map((name, n) => [name, n]));
  return {names, of: Uint16Array.from(features, name => index.get(familyOf.get(name)) || 0)};
}
