// Shows /openapi.json with the bundled Swagger UI. That release reads OpenAPI 3.0 and ours is 3.1, so the page (and only
// the page) says in 3.0's words what it can: "type or null" becomes `nullable`, a list of examples its first one.
(function () {
  "use strict";

  function isNull(schema) {
    return schema && schema.type === "null";
  }

  function downgrade(node) {
    if (Array.isArray(node)) return node.map(downgrade);
    if (node === null || typeof node !== "object") return node;
    const result = {};
    for (const [name, value] of Object.entries(node)) result[name] = downgrade(value);
    for (const word of ["oneOf", "anyOf"]) {
      if (Array.isArray(result[word]) && result[word].some(isNull)) {
        const rest = result[word].filter((each) => !isNull(each));
        result.nullable = true;
        if (rest.length === 1 && !rest[0].$ref) {
          delete result[word];
          Object.assign(result, rest[0]);
        } else {
          result[word] = rest;
        }
      }
    }
    if (Array.isArray(result.type)) {
      result.nullable = result.type.includes("null");
      result.type = result.type.find((each) => each !== "null");
    }
    if (Array.isArray(result.examples)) {
      result.example = result.examples[0];
      delete result.examples;
    }
    if ("const" in result && typeof result.const !== "object") {
      result.enum = [result.const];
      delete result.const;
    }
    return result;
  }

  function show(document_) {
    const spec = downgrade(document_);
    spec.openapi = "3.0.3";
    document.title = spec.info.title;
    window.SwaggerUIBundle({ spec, dom_id: "#page", deepLinking: true, validatorUrl: null });
  }

  function complain(error) {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = "The description at /openapi.json could not be read: " + error;
    document.getElementById("page").replaceChildren(note);
  }

  fetch("/openapi.json")
    .then((response) => (response.ok ? response.json() : Promise.reject(new Error("status " + response.status))))
    .then(show)
    .catch(complain);
})();
