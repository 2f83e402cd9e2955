package client

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/concord-tx/concord/tc/seata"
)

func TestErrorsOfCoordinatorsHaveSentinels(t *testing.T) {
	t.Parallel()
	all := []error{
		ErrClosed, ErrNoCoordinator, ErrUnknown, ErrLocked, ErrLockedFailFast, ErrNotFound, ErrNotActive, ErrRefused,
	}
	want := map[seata.ExceptionCode]error{
		seata.ExceptionLockKeyConflict:                ErrLocked,
		seata.ExceptionLockKeyConflictFailFast:        ErrLockedFailFast,
		seata.ExceptionGlobalTransactionNotExist:      ErrNotFound,
		seata.ExceptionGlobalTransactionNotActive:     ErrNotActive,
		seata.ExceptionGlobalTransactionStatusInvalid: ErrNotActive,
		seata.ExceptionTransactionTimeout:             ErrNotActive,
		seata.ExceptionUnknown:                        ErrUnknown,
		seata.ExceptionIO:                             ErrUnknown,
		seata.ExceptionFailedStore:                    ErrUnknown,
		seata.ExceptionFailedWriteSession:             ErrUnknown,
	}
	for code := seata.ExceptionUnknown; code.Valid(); code++ {
		err := &Error{Op: "commit", XID: "a:1:1", Code: code, Message: "why"}
		is := slices.DeleteFunc(slices.Clone(all), func(target error) bool { return !errors.Is(err, target) })
		if expected := want[code]; expected == nil && len(is) > 0 ||
			expected != nil && !slices.Equal(is, []error{expected}) {
			t.Errorf("%s is %v, want %v", code, is, expected)
		}
		if text := err.Error(); text != "commit a:1:1: refused: "+code.String()+": why" {
			t.Error(text)
		}
	}
	if text := (&Error{Op: "begin"}).Error(); strings.Contains(text, "  ") || strings.HasSuffix(text, ": ") {
		t.Error(text)
	}
}
