// Draws the reference from /openapi.json: operations with their parameters, bodies and answers.

// Relative to this script: the service may be below a path.
const api = await (await fetch(new URL("../openapi.json", import.meta.url))).json();

function element(name, text, ...children) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function resolve(schema) {
  let resolved = schema;
  while (resolved?.$ref) {
    const { $ref, ...siblings } = resolved;
    const step = (value, key) => value[key.replaceAll("~1", "/").replaceAll("~0", "~")];
    resolved = { ...$ref.slice(2).split("/").reduce(step, api), ...siblings };
  }
  return resolved ?? {};
}

// Describes a schema in a few words: "integer, 10 to 100", "one of auto, object", "list of …".
function describe(property) {
  const schema = resolve(property);
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) {
    const texts = new Set(branches.map(describe));
    return [...texts].filter((text) => text !== "null").join(" or ");
  }
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (schema.type === "array") return `list of ${describe(schema.items)}`;
  const name = schema.format === "binary" ? "file" : (schema.type ?? "any");
  const range = schema.minimum === undefined ? "" : `, ${schema.minimum} to ${schema.maximum}`;
  return name + range;
}

function table(rows) {
  const body = rows.map((row) => element("tr", "", ...row.map((cell) => element("td", cell))));
  return element("table", "", ...body);
}

function fields(body) {
  const schema = resolve(body);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const resolved = resolve(property);
    const fallback = resolved.default ?? null;
    const notes = [
      schema.required?.includes(name) ? "required" : "",
      fallback === null ? "" : `default ${JSON.stringify(fallback)}`,
      resolved.description ?? "",
    ];
    return [name, describe(property), notes.filter(Boolean).join("; ")];
  });
}

function example(title, value) {
  const text = element("pre", JSON.stringify(value, null, 2));
  text.tabIndex = 0; // lets the keyboard scroll it
  return element("details", "", element("summary", title), text);
}

function operation(method, path, details) {
  const parts = [
    element("h2", `${method.toUpperCase()} ${path}`),
    element("p", details.description),
  ];
  if (details.parameters) {
    parts.push(
      table(
        details.parameters.map((p) => [
          p.name,
          `${p.in}, ${describe(p.schema)}`,
          p.description ?? resolve(p.schema).description ?? "",
        ]),
      ),
    );
  }
  for (const [type, media] of Object.entries(details.requestBody?.content ?? {})) {
    parts.push(element("p", `Body as ${type}:`), table(fields(media.schema)));
    if (media.example) parts.push(example("Example body", media.example));
  }
  parts.push(element("p", "Answers:"));
  const answers = Object.entries(details.responses);
  parts.push(table(answers.map(([status, answer]) => [status, answer.description])));
  for (const [status, answer] of answers) {
    const value = answer.content?.["application/json"]?.example;
    if (value) parts.push(example(`Example answer ${status}`, value));
  }
  return element("section", "", ...parts);
}

const sections = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, details]) => operation(method, path, details)),
);
const webhooks = Object.entries(api.webhooks ?? {}).map(([event, { post }]) =>
  operation("webhook", event, post),
);
document
  .getElementById("reference")
  .replaceChildren(element("p", api.info.description), ...sections, ...webhooks);
