package definition

import _ "embed"

// SchemaJSON is the published JSON Schema of the language, for editors and other tools. It describes the shape of a
// document; what Parse and package validate find besides is in docs/SAGAS.md.
//
//go:embed schema.json
var SchemaJSON []byte
