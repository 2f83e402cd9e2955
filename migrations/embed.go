package migrations

import (
	"embed"
	"io/fs"
)

//go:embed mysql/*.sql
var files embed.FS

// MySQL returns the migrations of store/mysql, the files at the root.
func MySQL() (fs.FS, error) { return fs.Sub(files, "mysql") }
