// Package gettylog quietens getty, which has one logger per process: by default it writes a line per frame, and dumps
// frames whose write failed. What is worth a line is logged by those who use getty.
//
// Server and client go through this package, because setting the logger while sessions of somebody else use it would be
// a data race.
package gettylog
