package statelang

import (
	"slices"
	"strings"

	"github.com/concord-tx/concord/saga/limits"
)

// Exception is what a service failed with.
type Exception struct {
	// Class is the full name of the exception's class.
	Class   string
	Message string
	// Supers are the classes that Class extends, as far as the service has told. Those of the JDK are known.
	Supers []string
	// Cause is what it was caused by, or nil.
	Cause *Exception
	// EngineTimeout is true for the engine's own: the machine ran for longer than it may.
	EngineTimeout bool
}

// Network says how far a call came that failed by the network.
type Network uint8

// How far a call came.
const (
	// NotNetwork: the failure is not one of the network.
	NotNetwork Network = iota + 1
	// ConnectFailed: the service was not reached, and has done nothing.
	ConnectFailed
	// ConnectTimedOut: the same, after a wait.
	ConnectTimedOut
	// ReadTimedOut: the request was sent, and nobody knows what became of it.
	ReadTimedOut
)

// String returns the kind in words.
func (n Network) String() string {
	switch n {
	case NotNetwork:
		return "not network"
	case ConnectFailed:
		return "connect failed"
	case ConnectTimedOut:
		return "connect timed out"
	case ReadTimedOut:
		return "read timed out"
	}
	return "unknown"
}

// extends has the super class of the classes of the JDK, and of a library or two, that services fail with.
var extends = map[string]string{
	"java.lang.Exception":                               "java.lang.Throwable",
	"java.lang.Error":                                   "java.lang.Throwable",
	"java.lang.RuntimeException":                        "java.lang.Exception",
	"java.lang.ReflectiveOperationException":            "java.lang.Exception",
	"java.lang.CloneNotSupportedException":              "java.lang.Exception",
	"java.lang.InterruptedException":                    "java.lang.Exception",
	"java.lang.IllegalArgumentException":                "java.lang.RuntimeException",
	"java.lang.IllegalStateException":                   "java.lang.RuntimeException",
	"java.lang.NullPointerException":                    "java.lang.RuntimeException",
	"java.lang.ClassCastException":                      "java.lang.RuntimeException",
	"java.lang.ArithmeticException":                     "java.lang.RuntimeException",
	"java.lang.IndexOutOfBoundsException":               "java.lang.RuntimeException",
	"java.lang.ArrayIndexOutOfBoundsException":          "java.lang.IndexOutOfBoundsException",
	"java.lang.StringIndexOutOfBoundsException":         "java.lang.IndexOutOfBoundsException",
	"java.lang.SecurityException":                       "java.lang.RuntimeException",
	"java.lang.UnsupportedOperationException":           "java.lang.RuntimeException",
	"java.lang.NumberFormatException":                   "java.lang.IllegalArgumentException",
	"java.util.NoSuchElementException":                  "java.lang.RuntimeException",
	"java.util.ConcurrentModificationException":         "java.lang.RuntimeException",
	"java.util.concurrent.TimeoutException":             "java.lang.Exception",
	"java.util.concurrent.ExecutionException":           "java.lang.Exception",
	"java.util.concurrent.CancellationException":        "java.lang.IllegalStateException",
	"java.io.IOException":                               "java.lang.Exception",
	"java.io.UncheckedIOException":                      "java.lang.RuntimeException",
	"java.io.InterruptedIOException":                    "java.io.IOException",
	"java.io.EOFException":                              "java.io.IOException",
	"java.net.SocketException":                          "java.io.IOException",
	"java.net.ConnectException":                         "java.net.SocketException",
	"java.net.NoRouteToHostException":                   "java.net.SocketException",
	"java.net.BindException":                            "java.net.SocketException",
	"java.net.UnknownHostException":                     "java.io.IOException",
	"java.net.SocketTimeoutException":                   "java.io.InterruptedIOException",
	"java.net.http.HttpTimeoutException":                "java.io.IOException",
	"java.net.http.HttpConnectTimeoutException":         "java.net.http.HttpTimeoutException",
	"java.sql.SQLException":                             "java.lang.Exception",
	"java.sql.SQLTransientException":                    "java.sql.SQLException",
	"java.sql.SQLTimeoutException":                      "java.sql.SQLTransientException",
	"java.sql.SQLNonTransientException":                 "java.sql.SQLException",
	"java.sql.SQLIntegrityConstraintViolationException": "java.sql.SQLNonTransientException",
	"java.lang.reflect.InvocationTargetException":       "java.lang.ReflectiveOperationException",
	"io.netty.channel.ConnectTimeoutException":          "java.net.ConnectException",
	"java.lang.reflect.UndeclaredThrowableException":    "java.lang.RuntimeException",
}

// Is reports whether the exception is of a class or of one that extends it. What is not known to be something else is
// an Exception.
func (e *Exception) Is(class string) bool {
	if class == "java.lang.Throwable" {
		return true
	}
	if class == "java.lang.Exception" {
		return e.Class != "java.lang.Throwable" && !slices.ContainsFunc(e.line(), isError)
	}
	return slices.Contains(e.line(), class)
}

func isError(class string) bool { return class == "java.lang.Error" }

// line is the class of the exception with all that it is known to extend.
func (e *Exception) line() []string {
	var out []string
	for _, class := range append([]string{e.Class}, e.Supers...) {
		for class != "" && !slices.Contains(out, class) {
			out = append(out, class)
			class = extends[class]
		}
	}
	return out
}

// matches reports whether the exception is of one of the classes.
func (e *Exception) matches(classes []string) bool { return slices.ContainsFunc(classes, e.Is) }

// Network says how far the call came, by the exception and what caused it.
func (e *Exception) Network() Network {
	for depth := 0; e != nil && depth < limits.ExceptionsMax; depth++ {
		simple := e.Class[strings.LastIndexAny(e.Class, ".$")+1:]
		switch {
		case e.Is("java.net.SocketTimeoutException") && strings.EqualFold(e.Message, "connect timed out"):
			return ConnectTimedOut
		case e.Is("java.net.SocketTimeoutException"):
			return ReadTimedOut
		case e.Is("java.net.ConnectException"):
			return ConnectFailed
		case strings.Contains(simple, "ConnectTimeoutException"):
			return ConnectTimedOut
		case strings.Contains(simple, "ReadTimeoutException"):
			return ReadTimedOut
		case strings.Contains(simple, "ConnectException"):
			return ConnectFailed
		}
		e = e.Cause
	}
	return NotNetwork
}
