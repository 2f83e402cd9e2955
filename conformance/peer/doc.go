// Package peer is both ends of a conversation between a Go test and a service in Java that the test starts: the Java
// end is conformance.peer.Conversation, in java/, with the client's configuration in resources/.
//
// The process says "ready" on its standard output when it can be asked, perhaps with a word behind it. Then every line
// it is sent is answered with one, which begins with "failed" if it could not be done. It ends with its input. All that
// libraries print goes to its standard error, and is shown when the test fails.
//
// A folder with such tests has a pom.xml that compiles java/ of this one together with its own.
package peer
