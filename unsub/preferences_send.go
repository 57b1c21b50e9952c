package unsub

import (
	"errors"
	"net/http"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

// canSend reports whether the message of a request that stands may be asked for once more. Whether it left is known
// where it is sent: each request has one, and asking for it again is no second.
func (h *handler) canSend(f Flow, person gate.Person) bool {
	c := person.Record.For(f.Purpose)
	return h.openRequest(c) && h.Now().Before(c.Requested.Add(gate.RequestTTL)) && h.canAsk(f, person)
}

// sendChoice has the message of the request that stands sent, where it did not leave.
func (h *handler) sendChoice(w http.ResponseWriter, r *http.Request, a asked, purpose string) {
	person, err := h.person(r.Context(), a)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	flows := h.purposes(person.Record)
	i := slices.IndexFunc(flows, func(f Flow) bool { return f.Purpose == purpose })
	switch {
	case i < 0:
		h.refuse(w, r, http.StatusBadRequest)
		return
	case !h.canSend(flows[i], person):
		h.writePreferences(w, r, a, http.StatusConflict, "")
		return
	}
	h.sendRequest(w, r, a, flows[i], person)
}

// sendRequest has the message of a request that is recorded sent, and answers with what became of it.
func (h *handler) sendRequest(w http.ResponseWriter, r *http.Request, a asked, f Flow, person gate.Person) {
	l := h.pages.locale(r)
	err := h.Confirm(r.Context(), ConfirmRequest{
		ID: a.id, Address: h.address(person.Sealed), Purpose: f.Purpose, Stream: f.Name, Language: l.Lang,
	})
	status, notice := h.sent(l, f.Purpose, err)
	h.writePreferences(w, r, a, status, say(notice, "purpose", h.pages.purposeName(l, f.Purpose)))
}

// sent is what the page says of a message, and no more than is known of it.
func (h *handler) sent(l *locale, purpose string, err error) (status int, notice string) {
	switch {
	case err == nil:
		return http.StatusOK, l.Acts.Asked
	case errors.Is(err, errMailed):
		return http.StatusConflict, l.Acts.Mailed
	}
	h.Log.Error("message to confirm not sent", "purpose", purpose, "error", err)
	return http.StatusServiceUnavailable, l.Acts.NotSent
}
