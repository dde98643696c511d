// Draws the reference from /openapi.json: operations by topic, with a command to try, their
// parameters, bodies, answers and errors.

// Relative to this script: the service may be below a path.
const address = new URL("../openapi.json", import.meta.url);
const api = await (await fetch(address)).json();
const service = api.servers?.[0]?.url ?? new URL("..", import.meta.url).href.replace(/\/$/, "");
const problemPage = (code) => new URL(`../docs/problems/${code}`, import.meta.url).href;

const TOPICS = {
  edits: "Edits",
  uploads: "Uploads",
  files: "Images at signed addresses",
  models: "Models",
  tokens: "Tokens for your users",
  webhooks: "Webhooks",
  openai: "For clients of OpenAI's API",
  health: "The service itself",
};

function element(name, text, ...children) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function link(text, href) {
  const node = element("a", text);
  node.href = href;
  return node;
}

// Returns a text's parts, with `code` as such.
function marked(text) {
  return (text ?? "")
    .split(/`([^`]*)`/)
    .map((part, index) => (index % 2 ? element("code", part) : part));
}

const paragraphs = (text) =>
  (text ?? "").split(/\n\s*\n/).map((part) => element("p", "", ...marked(part.replaceAll("\n", " "))));

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
  return name + range(schema);
}

function range({ minimum, maximum, minLength, maxLength }) {
  const [least, most] = [minimum ?? minLength, maximum ?? maxLength];
  const unit = minimum === undefined && maximum === undefined ? " characters" : "";
  if (least !== undefined && most !== undefined) return `, ${least} to ${most}${unit}`;
  if (most !== undefined) return `, at most ${most}${unit}`;
  return least !== undefined ? `, at least ${least}${unit}` : "";
}

function table(heads, rows) {
  const head = heads.map((text) => {
    const cell = element("th", text);
    cell.scope = "col";
    return cell;
  });
  const lines = rows.map((row) => element("tr", "", ...row.map((cell) => element("td", "", ...[cell].flat()))));
  return element("table", "", element("thead", "", element("tr", "", ...head)), element("tbody", "", ...lines));
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
    return [element("code", name), describe(property), marked(notes.filter(Boolean).join("; "))];
  });
}

function code(text) {
  const node = element("pre", text);
  node.tabIndex = 0; // lets the keyboard scroll it
  return node;
}

const example = (title, value) =>
  element("details", "", element("summary", title), code(JSON.stringify(value, null, 2)));

// Returns curl's options for a form with a photo.
function form(fields) {
  return ["-F image=@photo.jpg", ...Object.entries(fields).map(([name, value]) => `-F '${name}=${value}'`)];
}

// Returns a command that calls an operation with its example.
function command(method, path, details) {
  const query = (details.parameters ?? [])
    .filter((one) => one.in === "query" && one.required)
    .map((one) => `${one.name}=${one.example ?? "…"}`);
  const lines = [`curl ${service}${path.replaceAll(/\{(\w+)\}/g, "$$$1")}${query.length ? `?${query.join("&")}` : ""}`];
  const body = details.requestBody?.content ?? {};
  if (method !== "get" && !("application/json" in body && method === "post")) lines.push(`-X ${method.toUpperCase()}`);
  if (details.security) lines.push('-H "Authorization: Bearer $BARET_KEY"');
  if (body["application/json"]) lines.push(`--json '${JSON.stringify(body["application/json"].example)}'`);
  else if (body["multipart/form-data"]) lines.push(...form(body["multipart/form-data"].example));
  else if (Object.keys(body).length) lines.push(`-H 'Content-Type: ${Object.keys(body)[0]}'`, "--data-binary @photo.jpg");
  return code(lines.join(" \\\n  "));
}

// Returns an answer's problems by code; other answers have one example instead of several.
function problemsOf(answer) {
  return Object.values(answer.content ?? {}).flatMap(({ examples }) => Object.entries(examples ?? {}));
}

// Returns a row for each problem: its status, its code with a link to its page, what to do.
function problemRows(responses) {
  return Object.entries(responses).flatMap(([status, answer]) =>
    problemsOf(answer).map(([name, { value }]) => [
      status,
      element("code", "", link(name, problemPage(name))),
      marked(value.detail ?? value.error.message),
    ]),
  );
}

function answers(responses) {
  const parts = [];
  for (const [status, answer] of Object.entries(responses)) {
    if (problemsOf(answer).length) continue;
    const media = Object.entries(answer.content ?? {});
    parts.push(element("p", "", element("strong", status), ` ${answer.description}`));
    const headers = Object.entries(answer.headers ?? {}).filter(([name]) => !name.startsWith("RateLimit"));
    if (headers.length)
      parts.push(table(["Header", "Meaning"], headers.map(([name, { description }]) => [element("code", name), marked(description)])));
    for (const [type, { example: value, schema }] of media) {
      if (value === undefined) parts.push(element("p", `As ${type}.`));
      else parts.push(typeof value === "string" ? code(value) : example("Example answer", value));
      const rows = type === "application/json" ? fields(schema) : [];
      if (rows.length)
        parts.push(element("details", "", element("summary", "Fields of the answer"), table(["Field", "Type", "Meaning"], rows)));
    }
  }
  return parts;
}

function operation(method, path, details) {
  const title = element("h3", "", element("code", `${method.toUpperCase()} ${path}`));
  const section = element("section", "", title, ...paragraphs(details.description));
  section.id = details.operationId ?? path;
  if (api.paths[path]) section.append(command(method, path, details));
  if (details.parameters)
    section.append(
      table(
        ["Parameter", "Type", "Meaning"],
        details.parameters.map((p) => [
          element("code", p.name),
          `${p.in}, ${describe(p.schema)}${p.required ? "; required" : ""}`,
          marked(p.description ?? resolve(p.schema).description),
        ]),
      ),
    );
  for (const [type, media] of Object.entries(details.requestBody?.content ?? {})) {
    const rows = fields(media.schema);
    section.append(element("p", `Body as ${type}:`));
    if (rows.length) section.append(table(["Field", "Type", "Meaning"], rows));
    if (media.example) section.append(example("Example body", media.example));
  }
  section.append(element("h4", "Answers"), ...answers(details.responses));
  const refused = problemRows(details.responses);
  if (refused.length) {
    const list = table(["Status", "Code", "What to do"], refused);
    section.append(element("details", "", element("summary", `Errors (${refused.length})`), list));
  }
  return section;
}

function topicOf(path, details) {
  const topic = details.tags?.find((tag) => tag in TOPICS) ?? path.split("/")[2];
  return topic in TOPICS ? topic : "health";
}

const groups = new Map(Object.keys(TOPICS).map((topic) => [topic, []]));
const contents = [];
for (const [path, methods] of Object.entries(api.paths))
  for (const [method, details] of Object.entries(methods))
    groups.get(topicOf(path, details)).push(operation(method, path, details));
for (const [event, { post }] of Object.entries(api.webhooks ?? {}))
  groups.get("webhooks").push(operation("webhook", event, post));

const parts = [];
for (const [topic, sections] of groups) {
  if (!sections.length) continue;
  const heading = element("h2", TOPICS[topic]);
  heading.id = topic;
  parts.push(heading, ...sections);
  const inside = sections.map((one) => element("li", "", link(one.querySelector("h3").textContent, `#${one.id}`)));
  contents.push(element("li", "", link(TOPICS[topic], `#${topic}`), element("ul", "", ...inside)));
}
const nav = element("nav", "", element("ul", "", ...contents));
nav.setAttribute("aria-label", "Operations");
document.getElementById("reference").replaceChildren(...paragraphs(api.info.description), nav, ...parts);
if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
