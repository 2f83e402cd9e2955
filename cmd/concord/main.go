package main

import (
	"context"
	"os"
)

func main() {
	a := &app{stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), exit: os.Exit}
	os.Exit(a.run(context.Background(), os.Args[1:]))
}
