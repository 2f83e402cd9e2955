package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/concord-tx/concord/tc/seata"
)

// workload is what transactions of a cell are made of.
type workload struct {
	kind     seata.BranchType // AT or TCC
	branches int
	rollback int // percent of transactions that are rolled back
	keys     int // AT: rows of one table that branches lock, chosen at random; 0: never the same row twice
	timeout  int32
	hold     bool // register and then never decide
	// enlist is "" for the Seata protocol; else the transactions run over HTTP, and it says how branches join, or that
	// they are the steps of a saga.
	enlist string
}

// kindHTTP is the kind whose transactions and branches are driven over HTTP.
const kindHTTP = "http-tcc"

// name is that of the kind.
func (w workload) name() string {
	if w.enlist == enlistSaga {
		return enlistSaga
	}
	if w.enlist != "" {
		return kindHTTP
	}
	return w.kind.String()
}

func parseKind(text string) (seata.BranchType, error) {
	switch text {
	case "at", "AT":
		return seata.BranchAT, nil
	case "tcc", "TCC", kindHTTP, enlistSaga:
		return seata.BranchTCC, nil
	}
	return 0, fmt.Errorf("unknown kind %q: write at, tcc, http-tcc or saga", text)
}

// resource names what branch number i works on.
func (w workload) resource(i int) string {
	if w.kind == seata.BranchTCC {
		return "benchAction" + strconv.Itoa(i)
	}
	return "jdbc:mysql://127.0.0.1:3306/bench_" + strconv.Itoa(i)
}

// Data that clients of the two kinds send with a branch.
const (
	dataAT  = `{"autoCommit":false}`
	dataTCC = `{"actionContext":{"action-start-time":1767225600000,"useTCCFence":true,"sys::prepare":"prepare",` +
		`"sys::commit":"commit","sys::rollback":"rollback","actionName":"benchAction","host-name":"127.0.0.1","amount":100}}`
)

func (w workload) data() string {
	if w.kind == seata.BranchTCC {
		return dataTCC
	}
	return dataAT
}

// chooser makes the random choices of one client.
type chooser struct {
	w      workload
	random *rand.Rand
	serial uint64 // of the next row, if rows are never used twice
	stride uint64
	text   []byte
}

func newChooser(w workload, client, clients int, seed uint64) *chooser {
	return &chooser{
		w: w, random: rand.New(rand.NewPCG(seed, uint64(client))), serial: seed<<32 + uint64(client),
		stride: uint64(clients),
	}
}

// rollback decides the fate of a transaction.
func (c *chooser) rollback() bool { return c.w.rollback > 0 && c.random.IntN(100) < c.w.rollback }

// lockKey returns the row that a branch locks.
func (c *chooser) lockKey() string {
	if c.w.kind != seata.BranchAT {
		return ""
	}
	row := c.serial
	if c.w.keys > 0 {
		row = c.random.Uint64N(uint64(c.w.keys))
	} else {
		c.serial += c.stride
	}
	c.text = strconv.AppendUint(append(c.text[:0], "t_order:"...), row, 10)
	return string(c.text)
}
