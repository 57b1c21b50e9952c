package unsub_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

// doubtful is a store whose first claims are somebody else's, and one of which is taken without a word.
type doubtful struct {
	*gatetest.Store
	taken, unheard int32 // the first so many, and the one of that number
	calls          atomic.Int32
}

func (d *doubtful) Enter(ctx context.Context, key, owner string, ttl time.Duration) ([]string, bool, error) {
	n := d.calls.Add(1)
	if n <= d.taken {
		return nil, false, nil
	}
	members, free, err := d.Store.Enter(ctx, key, owner, ttl)
	if n == d.unheard {
		return nil, false, gate.ErrUnavailable
	}
	return members, free, err
}

func TestAClaimThatNobodyHeardOfKeepsNoMessageBack(t *testing.T) {
	t.Parallel()
	for what, n := range map[string]int32{"on the person": 1, "on the message": 2} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, func(c *unsub.ConfirmationsOptions) {
				c.Store = &doubtful{Store: c.Store.(*gatetest.Store), unheard: n}
			})
			o.signUp(t, 0)
			o.later = time.Minute
			if _, err := o.ask(t); err == nil {
				t.Fatal("the store did not answer, and nothing was said of it")
			}
			if _, err := o.ask(t); err != nil || len(o.sent) != 1 || o.requests(t) != 1 {
				t.Errorf("error %v, %d messages, %d requests", err, len(o.sent), o.requests(t))
			}
		})
	}
}

// A gate that was killed while it asked has left its claim for a while.
func TestAFormWaitsForAClaimThatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	c := newCounterIn(t, newOffice(t, func(c *unsub.ConfirmationsOptions) {
		c.Store = &doubtful{Store: c.Store.(*gatetest.Store), taken: 3}
	}), t.TempDir())
	has(t, c.submit(yes), 202)
	if c.messages() != 1 {
		t.Errorf("%d messages, want one", c.messages())
	}
}
