//go:build !race

package main

// raceFactor is how much more memory the race detector takes; it is off.
const raceFactor = 1
