package main

import "time"

// clock tells nanoseconds since its start; all times of the driver are on it.
type clock struct{ start time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.start)) }
