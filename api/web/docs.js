// The reference, drawn from /openapi.json: operations with their parameters, bodies and answers.

const api = await (await fetch("/openapi.json")).json();

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function lookedUp(schema) {
  let found = schema;
  while (found?.$ref) {
    const { $ref, ...beside } = found;
    const step = (value, key) => value[key.replaceAll("~1", "/").replaceAll("~0", "~")];
    found = { ...$ref.slice(2).split("/").reduce(step, api), ...beside };
  }
  return found ?? {};
}

// A schema in a few words: "integer, 10 to 100", "one of auto, object", "list of …".
function words(given) {
  const schema = lookedUp(given);
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return [...new Set(branches.map(words))].filter((w) => w !== "null").join(" or ");
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (schema.type === "array") return `list of ${words(schema.items)}`;
  const name = schema.format === "binary" ? "file" : (schema.type ?? "any");
  const range = schema.minimum === undefined ? "" : `, ${schema.minimum} to ${schema.maximum}`;
  return name + range;
}

function table(rows) {
  const body = rows.map((row) => element("tr", "", ...row.map((cell) => element("td", cell))));
  return element("table", "", ...body);
}

function fields(given) {
  const schema = lookedUp(given);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const told = lookedUp(property);
    const fallback = told.default ?? null;
    const notes = [
      schema.required?.includes(name) ? "required" : "",
      fallback === null ? "" : `default ${JSON.stringify(fallback)}`,
      told.description ?? "",
    ];
    return [name, words(property), notes.filter(Boolean).join("; ")];
  });
}

function example(title, value) {
  const text = element("pre", JSON.stringify(value, null, 2));
  text.tabIndex = 0; // so that the keyboard can scroll it
  return element("details", "", element("summary", title), text);
}

function operation(method, path, told) {
  const parts = [element("h2", `${method.toUpperCase()} ${path}`), element("p", told.description)];
  if (told.parameters) {
    parts.push(
      table(
        told.parameters.map((p) => [
          p.name,
          `${p.in}, ${words(p.schema)}`,
          p.description ?? lookedUp(p.schema).description ?? "",
        ]),
      ),
    );
  }
  for (const [type, media] of Object.entries(told.requestBody?.content ?? {})) {
    parts.push(element("p", `Body as ${type}:`), table(fields(media.schema)));
    if (media.example) parts.push(example("Example body", media.example));
  }
  parts.push(element("p", "Answers:"));
  parts.push(table(Object.entries(told.responses).map(([status, a]) => [status, a.description])));
  for (const [status, answer] of Object.entries(told.responses)) {
    const value = answer.content?.["application/json"]?.example;
    if (value) parts.push(example(`Example answer ${status}`, value));
  }
  return element("section", "", ...parts);
}

const sections = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, told]) => operation(method, path, told)),
);
const hooks = Object.entries(api.webhooks ?? {}).map(([event, { post }]) =>
  operation("webhook", event, post),
);
document
  .getElementById("reference")
  .replaceChildren(element("p", api.info.description), ...sections, ...hooks);
