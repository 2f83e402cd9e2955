package migrations

import (
	"embed"
	"io/fs"
)

//go:embed mysql/*.sql client/*.sql
var files embed.FS

// MySQL returns the migrations of store/mysql, the files at the root.
func MySQL() (fs.FS, error) { return fs.Sub(files, "mysql") }

// Client returns the tables that services need in their own databases to take part: undo logs, fences, outboxes. The
// files are at the root, for MySQL and MariaDB, and in the form that goose applies; a service runs those it needs.
func Client() (fs.FS, error) { return fs.Sub(files, "client") }
