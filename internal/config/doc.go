// Package config holds every setting of the server in one struct, and says where each value came from.
//
// # Invariants
//
//   - [Config] in settings.go is the only list of settings. Keys, flags, environment variables, help texts and
//     `serve --print-config` are all derived from it: the key from the tag, the help from the field's own comment.
//   - Defaults are overruled by the file, the file by the environment, the environment by flags.
//   - An unknown key, a value of the wrong kind and a value out of range are errors that name the key, where it was
//     set, and what to write instead.
//   - A key marked secret is never printed.
//
// # Where to start reading
//
// settings.go for the settings, load.go for how they are read, validate.go for what is refused.
package config
