// The soft assignment as it was when the model was frozen.
import {html, useMemo} from '../html.js';
import {getJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Matrix} from '../matrix/matrix.js';
import {familiesOf} from '../matrix/families.js';

export function FrozenMatrix({model, grouping}) {
  const path = `/v1/models/${model.id}/assignment`;
  const {data} = useLoaded(async signal => {
    const found = await getJson(path, {signal});
    return {...found, matrix: null, values: Float32Array.from(found.matrix.flat())};
  }, [path]);
  const families = useMemo(() => familiesOf(model.features, grouping.features), [model, grouping]);
  return data && html`<section class="card" aria-labelledby="frozen"><h2 id="frozen">How sure the assignment was when it was frozen</h2>
    <${Matrix} shown=${data} families=${families}
      label=${`Soft assignment of ${data.features.length} features to ${data.categories.length} categories when the model was frozen`} /></section>`;
}
