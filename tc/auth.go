package tc

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/concord-tx/concord/tc/seata"
)

// Why a registration was refused.
var (
	errUnknownKey = errors.New("access key is missing or unknown")
	errStale      = errors.New("signature is too old or from the future")
	errNoTM       = errors.New("no accepted transaction manager of this application and address")
	errNames      = errors.New("application, group or resource id is too long, or there are too many")
)

// trust remembers which applications at which addresses have shown a valid signature.
type trust struct {
	mu  sync.Mutex
	set map[trustKey]struct{}
}

type trustKey struct{ application, ip string }

// add remembers. The set is bounded: if it is full somebody is forgotten, and has to register again.
func (t *trust) add(k trustKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set == nil {
		t.set = make(map[trustKey]struct{})
	}
	if len(t.set) >= trustedMax {
		for other := range t.set {
			delete(t.set, other)
			break
		}
	}
	t.set[k] = struct{}{}
}

func (t *trust) has(k trustKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.set[k]
	return ok
}

// registerTM takes the registration of a transaction manager. The last one on a connection counts.
func (s *session) registerTM(m *seata.RegisterTMRequest) {
	err := s.checkNames(m.ApplicationID, m.TransactionServiceGroup)
	if err == nil {
		err = s.authenticate("TM", m.ApplicationID, func() error { return s.server.verify(m.ExtraData) })
	}
	env := s.reply()
	if err != nil {
		s.refuseRegistration(&env, &seata.RegisterTMResponse{Version: serverVersion, Msg: err.Error()}, err)
		return
	}
	who := *s.who.Load()
	who.tm, who.tmVersion = true, strings.Clone(m.Version)
	who.seataGoTM = m.Version == seataGoTMVersion
	who.application, who.group = strings.Clone(m.ApplicationID), strings.Clone(m.TransactionServiceGroup)
	if !who.rm {
		who.branchApplication = who.application
	}
	if s.server.auth == AuthEnforce {
		s.server.trusted.add(trustKey{who.application, s.ip})
	}
	s.identify(who)
	env.Version = s.who.Load().version
	s.answer(&env, &seata.RegisterTMResponse{Identified: true, Version: serverVersion})
}

// registerRM takes the registration of a resource manager, or more resources of one. The first one on a connection
// tells version and application, resources add up.
func (s *session) registerRM(m *seata.RegisterRMRequest) {
	resources, err := splitResources(m.ResourceIDs)
	if err == nil {
		err = s.checkNames(m.ApplicationID, m.TransactionServiceGroup)
	}
	if err == nil {
		err = s.authenticate("RM", m.ApplicationID, func() error {
			if s.server.trusted.has(trustKey{m.ApplicationID, s.ip}) {
				return nil
			}
			return errNoTM
		})
	}
	env := s.reply()
	if err != nil {
		s.refuseRegistration(&env, &seata.RegisterRMResponse{Version: serverVersion, Msg: err.Error()}, err)
		return
	}
	who := *s.who.Load()
	if !who.rm {
		who.rm, who.rmVersion = true, strings.Clone(m.Version)
		who.branchApplication = strings.Clone(m.ApplicationID)
		if !who.tm {
			who.application, who.group = who.branchApplication, strings.Clone(m.TransactionServiceGroup)
		}
	}
	s.identify(who)
	if !s.server.registry.register(s, who.branchApplication, resources) {
		s.refuseRegistration(&env, &seata.RegisterRMResponse{Version: serverVersion, Msg: errNames.Error()}, errNames)
		return
	}
	env.Version = s.who.Load().version
	s.answer(&env, &seata.RegisterRMResponse{Identified: true, Version: serverVersion})
}

// What stock seata-go calls itself. Seata-go pkg/remoting/getty: TM "1.1.0", RM "1.5.2".
const (
	seataGoTMVersion = "1.1.0"
	seataGoRMVersion = "1.5.2"
)

// identify makes who known to all. A client that may be seata-go is paced until it proves to be Java.
func (s *session) identify(who identity) {
	who.trusted = true
	who.codec, who.pkg = s.in.header.Codec, s.in.pkg
	who.client = who.branchApplication + ":" + s.addr
	who.version = 0
	for _, text := range [...]string{who.tmVersion, who.rmVersion} {
		v, err := seata.ParseClientVersion(text)
		if err == nil && v.Known() && (!who.version.Known() || v < who.version) {
			who.version = v
		}
	}
	s.who.Store(&who)
	s.pace(&who)
}

// pace decides whether frames go out one by one: for a TM that calls itself as seata-go's does, and for an RM of the
// version that seata-go claims, until it sends a merged frame, which seata-go has no codec for.
func (s *session) pace(who *identity) {
	paced := who.seataGoTM || who.rm && who.rmVersion == seataGoRMVersion && !who.merges
	s.out.paced.Store(paced && who.codec == seata.CodecSeata)
}

// merges notes that the peer sent a merged frame.
func (s *session) merges() {
	if who := s.who.Load(); !who.merges {
		next := *who
		next.merges = true
		s.who.Store(&next)
		s.pace(&next)
	}
}

func (s *session) checkNames(application, group string) error {
	if max(len(application), len(group)) > nameBytesMax {
		return errNames
	}
	return nil
}

// splitResources copies the ids out of their frame.
func splitResources(ids string) ([]string, error) {
	if strings.Count(ids, ",") >= resourcesMax {
		return nil, errNames
	}
	var resources []string
	for id := range strings.SplitSeq(ids, ",") {
		switch {
		case len(id) > resourceBytesMax:
			return nil, errNames
		case id != "":
			resources = append(resources, strings.Clone(id))
		}
	}
	return resources, nil
}

// authenticate applies the mode. Under AuthLog who would be refused is accepted with a line in the log.
func (s *session) authenticate(role, application string, check func() error) error {
	if s.server.auth == AuthOff {
		return nil
	}
	err := check()
	if err == nil {
		return nil
	}
	s.server.stats.authFailures.Add(1)
	if s.server.auth == AuthEnforce {
		return err
	}
	s.server.warn("registration would be refused", slog.String("role", role),
		slog.String("client", application+":"+s.addr), slog.Any("err", err))
	return nil
}

// verify checks the signature of a transaction manager. Seata 1.5+ RamSignAdapter.java makes it.
func (s *Server) verify(extraData string) error {
	data := seata.ParseExtraData(extraData)
	secret := s.keys[data.AccessKey]
	if data.AccessKey == "" || secret == "" {
		return errUnknownKey
	}
	at, err := data.VerifySignature(secret)
	if err != nil {
		return err
	}
	if age := s.now().Sub(at); age > signatureAgeMax || age < -signatureAgeMax {
		return fmt.Errorf("%w: %s", errStale, age)
	}
	return nil
}

// refuseRegistration tells the peer and closes when it has been told.
func (s *session) refuseRegistration(env *seata.Envelope, msg seata.Message, err error) {
	s.server.stats.faults[FaultAuth].Add(1)
	s.server.warn("registration refused", slog.String("client", s.addr), slog.Any("err", err))
	s.answer(env, msg)
	s.finish()
}
