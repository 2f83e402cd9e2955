// Command bench measures the coordinator from outside: it starts the concord binary on loopback with a fresh data
// directory, drives it over the Seata protocol as transaction and resource managers would, and prints one JSON line and
// one table row for each cell.
//
// The driver shares the machine with the server, so it is built to cost little: a few connections, two goroutines for
// each client, reads that take everything that has arrived, writes that carry everything that has gathered, and no
// goroutine, timer or map of strings for a transaction.
//
// What is measured, and the rules that keep it honest:
//
//   - Closed-loop cells keep a fixed number of transactions in flight and find the maximum. Open-loop cells follow a
//     schedule that is computed beforehand; every latency counts from the scheduled start, so a stall of the server is
//     charged to all transactions that should have started meanwhile.
//   - A transaction is counted in the cell's rate when its commit or rollback is answered. Phase two is counted apart,
//     and so is the backlog: what is answered but whose branches have not all been told yet.
//   - After each cell everything must have ended as asked: the status of the transactions, one command of the right
//     kind for each branch, no lock, no live transaction. A cell that fails this is marked and has no rate.
//   - CPU is the server process's own user and system time, from /proc.
//
// Start reading at main.go, then cell.go (one measurement), client.go (the transaction as the driver sees it) and
// suite.go (which cells there are); services.go and caller.go are what uses the API over HTTP.
package main
