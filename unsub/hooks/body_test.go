package hooks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestABodyHasItsBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pad := strings.Repeat(" ", 4<<20)
	if got := w.deliver(t, "sendgrid", pad+unsubscribed()["sendgrid"]); got != 200 || len(w.said(t, "ann@example.com")) != 1 {
		t.Errorf("a large batch: %d, want 200", got)
	}
	if got := w.post("/hooks/sendgrid", pad+pad); got != http.StatusRequestEntityTooLarge {
		t.Errorf("8 MiB: %d, want 413", got)
	}
}

// slow is a body of which more is said to come.
type slow struct {
	left   int
	held   chan<- int // hears of it once all but the end was read
	resume <-chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.held <- 0
		<-s.resume
		return 0, io.ErrUnexpectedEOF
	}
	n := min(s.left, len(p))
	s.left -= n
	return n, nil
}

func TestWhoProvesNothingHoldsFewLargeBodies(t *testing.T) {
	t.Parallel()
	const posts, places = 60, 16
	w := newWorld(t)
	outcomes, resume := make(chan int), make(chan struct{})
	for range posts {
		go func() {
			r := httptest.NewRequest(http.MethodPost, "/hooks/sendgrid", &slow{100 << 10, outcomes, resume})
			if status := w.do(r); status != http.StatusServiceUnavailable {
				t.Errorf("got %d", status)
			}
			outcomes <- http.StatusServiceUnavailable
		}()
	}
	held := 0
	for range posts {
		if <-outcomes == 0 {
			held++
		}
	}
	if held != places {
		t.Errorf("%d bodies are held, want %d", held, places)
	}
	close(resume)
	for range held {
		<-outcomes
	}
	batch := strings.Repeat(" ", 100<<10) + unsubscribed()["sendgrid"]
	if got := w.deliver(t, "sendgrid", batch); got != http.StatusOK {
		t.Errorf("a batch after them: %d", got)
	}
}
