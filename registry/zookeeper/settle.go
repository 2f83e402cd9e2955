package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/concord-tx/concord/internal/zkconn"
)

// entryData is what Seata's servers write into an entry. Clients do not read it.
const entryData = "true"

// stepsMax bounds the steps of one attempt; two are usual.
const stepsMax = 8

// entry is what the server says of the node's path.
type entry struct {
	exists  bool
	owner   int64 // session; 0: it is permanent
	version int32
}

// settle takes steps until the server's state is what is wished for, or something stands in the way. The caller has the
// turn.
func (r *Registry) settle(ctx context.Context, l *link) error {
	if l.Away() > 0 {
		return l.trouble(r.o.Servers)
	}
	if r.o.Address == "" {
		return nil
	}
	if err := r.authenticate(ctx, l); err != nil {
		return err
	}
	for range stepsMax {
		done, err := r.step(ctx, l)
		if done || err != nil {
			return r.explain(err)
		}
	}
	return fmt.Errorf("%s in ZooKeeper changes all the time: do two nodes advertise this address?", r.path)
}

// step looks, and does the next thing. done says that there is nothing more to do.
func (r *Registry) step(ctx context.Context, l *link) (done bool, err error) {
	e, err := r.look(ctx, l)
	if err != nil {
		return false, err
	}
	// Read after the look: a session that is younger than it has no entry yet, and is found out by the next event.
	session := l.Conn.SessionID()
	own := r.remember(session, e.owner)
	wanted := r.wants()
	if wanted && !(e.exists && e.owner == session) {
		r.miss(e)
	}
	switch {
	case wanted && e.exists && e.owner == session:
		r.enter(session)
		return true, nil
	case wanted && !e.exists:
		return false, r.create(ctx, l)
	case wanted && own:
		return false, r.replace(ctx, l, e)
	case wanted && e.owner == 0:
		return true, fmt.Errorf("%s in ZooKeeper is a permanent node that no Seata server made: delete it", r.path)
	case wanted:
		return true, fmt.Errorf("%s in ZooKeeper belongs to session %#x of another process: it is left over from this "+
			"node's last run and goes away with its session, or two nodes advertise the same address", r.path, e.owner)
	case e.exists && own:
		return false, r.remove(ctx, l, e)
	}
	r.leave()
	return true, nil
}

// look reads the entry, and has the server tell of its next change.
func (r *Registry) look(ctx context.Context, l *link) (entry, error) {
	watch := l.Watch()
	e, err := zkconn.Call(ctx, r.o.SessionTimeout, func() (entry, error) {
		var exists bool
		var stat *zk.Stat
		var err error
		if watch {
			exists, stat, _, err = l.Conn.ExistsW(r.path)
		} else {
			exists, stat, err = l.Conn.Exists(r.path)
		}
		if err != nil || !exists {
			return entry{}, err
		}
		return entry{exists: true, owner: stat.EphemeralOwner, version: stat.Version}, nil
	})
	if err != nil && watch {
		l.Unwatch()
	}
	return e, err
}

// create makes the entry, or its parents if they are missing. Somebody who was faster is no error: the next look tells.
func (r *Registry) create(ctx context.Context, l *link) error {
	err := r.make(ctx, l, r.path, zk.FlagEphemeral)
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return r.makeParents(ctx, l)
	case errors.Is(err, zk.ErrNodeExists):
		return nil
	}
	return err
}

// replace puts an entry of the present session in the place of one that a former session of this process left behind,
// in one step, so that clients never see the address missing.
func (r *Registry) replace(ctx context.Context, l *link, e entry) error {
	err := r.multi(ctx, l,
		&zk.DeleteRequest{Path: r.path, Version: e.version},
		&zk.CreateRequest{Path: r.path, Data: []byte(entryData), Acl: r.acl(), Flags: zk.FlagEphemeral})
	if errors.Is(err, zk.ErrNoNode) || errors.Is(err, zk.ErrBadVersion) || errors.Is(err, zk.ErrNodeExists) {
		return nil // it changed meanwhile; the next look tells
	}
	return err
}

// remove deletes the entry if it is still the one that was seen.
func (r *Registry) remove(ctx context.Context, l *link, e entry) error {
	_, err := zkconn.Call(ctx, r.o.SessionTimeout, func() (struct{}, error) {
		return struct{}{}, l.Conn.Delete(r.path, e.version)
	})
	if errors.Is(err, zk.ErrNoNode) || errors.Is(err, zk.ErrBadVersion) {
		return nil
	}
	return err
}

// makeParents makes what is missing of the path above the entry, as permanent nodes. What others made stays as it is.
func (r *Registry) makeParents(ctx context.Context, l *link) error {
	path := ""
	for part := range strings.SplitSeq(r.parent[1:], "/") {
		path += "/" + part
		// Looked at first, because making what exists may be refused for lack of rights instead of being called that.
		exists, err := zkconn.Call(ctx, r.o.SessionTimeout, func() (bool, error) {
			exists, _, err := l.Conn.Exists(path)
			return exists, err
		})
		if err != nil {
			return err
		}
		if exists {
			continue
		}
		if err := r.make(ctx, l, path, 0); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
	}
	return nil
}

func (r *Registry) make(ctx context.Context, l *link, path string, flags int32) error {
	_, err := zkconn.Call(ctx, r.o.SessionTimeout, func() (string, error) {
		return l.Conn.Create(path, []byte(entryData), flags, r.acl())
	})
	return err
}

func (r *Registry) multi(ctx context.Context, l *link, operations ...any) error {
	_, err := zkconn.Call(ctx, r.o.SessionTimeout, func() (struct{}, error) {
		answers, err := l.Conn.Multi(operations...)
		for _, a := range answers {
			err = errors.Join(err, a.Error)
		}
		return struct{}{}, err
	})
	return err
}

// probeName is no address, so that clients would skip it if they ever saw it.
const probeName = "/concord-probe"

// probe makes and deletes a node beside the entries in one step, which nobody sees, to learn whether this node may.
func (r *Registry) probe(ctx context.Context, l *link) error {
	if err := r.authenticate(ctx, l); err != nil {
		return err
	}
	if err := r.makeParents(ctx, l); err != nil {
		return r.explain(err)
	}
	return r.explain(r.multi(ctx, l,
		&zk.CreateRequest{Path: r.parent + probeName, Acl: r.acl(), Flags: zk.FlagEphemeral},
		&zk.DeleteRequest{Path: r.parent + probeName, Version: -1}))
}

// authenticate gives the credentials, once for each link; the library repeats them after each reconnect.
func (r *Registry) authenticate(ctx context.Context, l *link) error {
	if r.o.Digest == "" || l.authed {
		return nil
	}
	_, err := zkconn.Call(ctx, r.o.SessionTimeout, func() (struct{}, error) {
		return struct{}{}, l.Conn.AddAuth("digest", []byte(r.o.Digest))
	})
	if err != nil {
		return r.explain(err)
	}
	l.authed = true
	return nil
}

// acl says who may do what with the nodes that are made. Addresses are no secret, and clients often have no
// credentials.
func (r *Registry) acl() []zk.ACL {
	if r.o.Digest == "" {
		return zk.WorldACL(zk.PermAll)
	}
	return append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
}

// explain says what to do about an error of the library.
func (r *Registry) explain(err error) error {
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || errors.Is(err, zk.ErrInvalidACL) {
		return fmt.Errorf("zookeeper.digest: ZooKeeper does not let this node write below %s with these credentials: %w",
			r.parent, err)
	}
	return err
}

// remember notes a session as one of this process, and tells whether owner is one.
func (r *Registry) remember(session, owner int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if session != 0 && !slices.Contains(r.sessions, session) {
		r.sessions = append(r.sessions, session)
		if len(r.sessions) > sessionsMax {
			r.sessions = r.sessions[1:]
		}
	}
	return slices.Contains(r.sessions, owner)
}

func (r *Registry) wants() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.left && r.withdrew == nil
}

// enter notes that the entry is there and belongs to the session.
func (r *Registry) enter(session int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entered == session {
		return
	}
	r.entered, r.since, r.why = session, time.Now(), nil
	r.stats.Entries++
	r.o.Logger.Info("entered in zookeeper", "address", r.o.Address, "cluster", r.o.Cluster, "path", r.path)
}

// miss notes that the entry is not, or no longer, this session's.
func (r *Registry) miss(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.exists {
		r.lose(errors.New("the entry belongs to another session"))
	} else {
		r.lose(errors.New("the entry was removed by somebody else, or its session ended"))
	}
}

// leave notes that there is no entry and none is wanted.
func (r *Registry) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entered == 0 {
		return
	}
	r.entered, r.since, r.why = 0, time.Now(), errNotYet
	r.o.Logger.Info("left the registry in zookeeper", "address", r.o.Address, "cluster", r.o.Cluster)
}
