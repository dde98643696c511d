// A client as a user would write it with the SDK that @hey-api/openapi-ts generates: upload, wait,
// download.

import { createEdit, getEdit, getImage, type Edit } from "./sdk/index";
import { createClient } from "./sdk/client/index";

function dataOf<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

export async function run(base: string, image: string): Promise<string> {
  const client = createClient({ baseUrl: base });
  const body = { prompt: "a cat that sits", image, params: { seed: 7 } };
  let edit: Edit = dataOf(await createEdit({ client, body }));
  while (edit.status === "queued" || edit.status === "running") {
    edit = dataOf(await getEdit({ client, path: { edit_id: edit.id }, query: { wait: 20 } }));
  }
  if (edit.params.seed !== 7) throw new Error("the parameters were lost");
  const download = await getImage({ client, path: { edit_id: edit.id }, parseAs: "blob" });
  const refused = await createEdit({ client, body: { prompt: "..." } });
  return [edit.status, (dataOf(download) as Blob).size, refused.error?.code].join(" ");
}
