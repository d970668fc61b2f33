// The interface as openapi.json describes it, shown without anything from elsewhere on the web.

const description = await (await fetch("openapi.json")).json();
const address = new URL("classify", location.href);
document.getElementById("example").textContent = [
  "curl --data-binary @digit.png \\",
  "  --header 'Content-Type: image/png' \\",
  `  ${address}`,
  "curl --form file=@digit.png \\",
  `  ${address}`,
].join("\n");
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, route] of Object.entries(methods)) {
    document.getElementById("routes").append(describe(path, method, route));
  }
}

function describe(path, method, route) {
  const section = element("section");
  section.append(
    element("h2", `${method.toUpperCase()} ${path}`),
    element("p", route.description),
  );
  if (route.requestBody) {
    section.append(element("h3", "Takes"), list(Object.entries(route.requestBody.content).map(
      ([type, { schema }]) => [type, shape(schema)],
    )));
  }
  section.append(element("h3", "Answers"), list(Object.entries(route.responses).map(
    ([status, { description, content }]) => [status, description, ...Object.entries(content).map(
      ([type, { schema }]) => `${type}: ${shape(schema)}`,
    )],
  )));
  return section;
}

/** Write a schema in a few words, e.g. {digit: integer 0 to 9}. */
function shape(schema = {}) {
  if (schema.$ref) return shape(description.components.schemas[schema.$ref.split("/").at(-1)]);
  if (schema.properties) {
    const fields = Object.entries(schema.properties);
    return `{${fields.map(([name, inner]) => `${name}: ${shape(inner)}`).join(", ")}}`;
  }
  if (schema.items) return `[${schema.maxItems ?? "any number"} × ${shape(schema.items)}]`;
  const range = schema.maximum === undefined ? "" : ` ${schema.minimum} to ${schema.maximum}`;
  return `${schema.format ?? schema.type ?? "text"}${range}`;
}

function list(entries) {
  const list = element("dl");
  for (const [term, ...details] of entries) {
    list.append(element("dt", term), ...details.map((detail) => element("dd", detail)));
  }
  return list;
}

function element(name, text = "") {
  return Object.assign(document.createElement(name), { textContent: text });
}
