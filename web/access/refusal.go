package access

import (
	"fmt"
	"net/http"
	"time"
)

// Refusal is why somebody may not do what they ask for. It is an answer for the caller, with nothing secret in it.
type Refusal struct {
	// Status is the HTTP status, Code the stable name, Title and Detail are for people.
	Status        int
	Code          string
	Title, Detail string
	// RetryAfter is when to ask again; 0: that would not help.
	RetryAfter time.Duration
	// Challenge is the header WWW-Authenticate; empty for none.
	Challenge string
}

// Error returns the refusal in words.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Title
	}
	return r.Title + " " + r.Detail
}

// challenge names the way in that programs have. RFC 6750 3.
const challenge = `Bearer realm="concord"`

// NotSignedIn refuses who did not say who they are.
func NotSignedIn() *Refusal {
	return &Refusal{
		Status: http.StatusUnauthorized, Code: "notSignedIn", Challenge: challenge,
		Title:  "This needs a key or a signed-in person.",
		Detail: `Send an API key as "Authorization: Bearer concord_…".`,
	}
}

// refused refuses who said who they are, but is not. why is the same for all reasons that an attacker could learn from.
func refused(why string) *Refusal {
	return &Refusal{
		Status: http.StatusUnauthorized, Code: "credentialsInvalid",
		Challenge: challenge + `, error="invalid_token"`, Title: "The credentials do not count.", Detail: why,
	}
}

// Lacking refuses a principal that has not the role that is needed.
func Lacking(need Role) *Refusal {
	return &Refusal{
		Status: http.StatusForbidden, Code: "roleMissing", Title: "This needs a role that you do not have.",
		Detail: fmt.Sprintf("It needs the role %s.", need.Wanted()),
	}
}

// Foreign refuses a principal that is restricted to other applications or groups.
func Foreign(detail string) *Refusal {
	return &Refusal{
		Status: http.StatusForbidden, Code: "applicationNotAllowed",
		Title: "You are restricted to other applications or groups.", Detail: detail,
	}
}

// tooMany refuses who asked for too much.
func tooMany(what string, after time.Duration) *Refusal {
	return &Refusal{
		Status: http.StatusTooManyRequests, Code: "rateLimited", Title: "You ask for more than you may.",
		Detail: what, RetryAfter: max(after, time.Millisecond),
	}
}

// forged refuses a request of a browser that may not be meant by the person in front of it.
func forged(detail string) *Refusal {
	return &Refusal{
		Status: http.StatusForbidden, Code: "requestForged",
		Title: "The request does not prove that it comes from a page of this server.", Detail: detail,
	}
}
