package gettylog

import (
	"fmt"
	"sync"

	getty "github.com/apache/dubbo-getty"
)

// Silence takes getty's own logger away, the first time that it is called. A logger that the application has set, which
// it has to do before it uses getty, stays.
func Silence() { once() }

var once = sync.OnceFunc(func() {
	if fmt.Sprintf("%T", getty.GetLogger()) == "*zap.SugaredLogger" {
		getty.SetLogger(silence{})
	}
})

// silence is a getty.Logger that discards.
type silence struct{}

func (silence) Info(...any)           {}
func (silence) Warn(...any)           {}
func (silence) Error(...any)          {}
func (silence) Debug(...any)          {}
func (silence) Infof(string, ...any)  {}
func (silence) Warnf(string, ...any)  {}
func (silence) Errorf(string, ...any) {}
func (silence) Debugf(string, ...any) {}
