// Package tc is the coordinator's side of the Seata protocol: a dubbo-getty server on TCP, sessions of transaction
// managers (TM) and resource managers (RM), and the transport that carries phase two to the latter.
//
// It holds no transaction state. A request becomes a call of the [Coordinator], whose completion function becomes the
// answer; a [txn.Command] becomes a frame to a session, whose answer becomes a [txn.Reply]. Bytes and per-version
// encodings are the business of package tc/seata.
//
// # Goroutines
//
// A session has two: getty's reader, which decodes and calls the coordinator, which never blocks; and a writer, which
// sends in one write what has been appended since the last one. [Server.Run] adds one that looks after limits: idle
// peers, unanswered commands, undo logs. There is no goroutine and no timer per request or command.
//
// # Locks
//
// registry.mu, commands.mu, underway.mu, outbox.mu and those of trust and throttle are leaves: none is held while
// another one is taken, while the coordinator is called, or while anything is written to a socket. A session's identity
// is immutable and replaced as a whole by its reader. Everything that ends a session goes through [session.kill], which
// only marks it and closes the socket; what has to be cleaned up is done once, by the reader's goroutine, in OnClose.
//
// # Invariants
//
//   - Every request gets one answer, or the session is closed. A failed commit or rollback is never answered with
//     something that a TM takes for success. A session that we close is answered what is under way before, be it that
//     nobody knows; stock clients do not notice otherwise, and wait for their own limits.
//   - Every command that was accepted gets one report, at the latest after Limits.AnswerLimit: to the coordinator, or
//     to whoever sent it on behalf of another node.
//   - A bound on everything: sessions, requests and commands per session, bytes received and bytes not yet read.
//   - PINGs are answered on the reader, whatever the load.
//
// # Where to start reading
//
// server.go for the life of a server, session.go for that of a session, requests.go for what is asked, transport.go for
// phase two, status.go for what clients are told.
package tc
