package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A Seata server can be measured with the same driver. Its class path is what Maven resolves for a pom with one
// dependency, such as io.seata:seata-server:2.0.0 (`mvn dependency:copy-dependencies`, then 'lib/*'); give it with
// -seata-classpath, and its class with -seata-main. It runs with its file store, which does not wait for the disk: the
// durability label says so.

// seataConfig is the least configuration of a single node with the file store.
const seataConfig = `server:
  port: %[1]s
spring:
  application:
    name: seata-server
logging:
  config: classpath:logback-spring.xml
  file:
    path: %[2]s
  level:
    root: WARN
    org.apache.seata: %[3]s
    io.seata: %[3]s
console:
  user:
    username: bench
    password: bench
seata:
  config:
    type: file
  registry:
    type: file
  store:
    mode: file
    file:
      dir: %[4]s
  security:
    secretKey: bench-bench-bench-bench-bench-bench-bench-bench
    tokenValidityInMilliseconds: 1800000
`

// startSeata starts a Seata server from -seata-classpath.
func startSeata(ctx context.Context, o options) (*server, error) {
	s := &server{name: "seata", durability: "none (asynchronous flush)", pinTo: o.pinServer, forgets: true}
	if err := s.prepare(o.dir); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(s.tc)
	if err != nil {
		return s, err
	}
	_, console, err := net.SplitHostPort(s.http)
	if err != nil {
		return s, err
	}
	s.http = "" // it has neither our API nor our metrics
	config := filepath.Join(s.dir, "application.yml")
	text := fmt.Sprintf(seataConfig, console, s.dir, o.seataLog, filepath.Join(s.dir, "sessionStore"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return s, err
	}
	s.start = func(s *server) *exec.Cmd {
		c := exec.Command("java", "-Xms"+o.seataHeap, "-Xmx"+o.seataHeap, "-Dspring.config.location=file:"+config,
			"-cp", o.seataClasspath, o.seataMain, "-h", "127.0.0.1", "-p", port)
		c.Dir = s.dir
		return c
	}
	s.ready = func(ctx context.Context, s *server) error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", s.tc)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return s, s.launch(ctx)
}
