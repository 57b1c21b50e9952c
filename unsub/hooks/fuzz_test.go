package hooks_test

import (
	"testing"
)

// FuzzProviders gives every provider genuine requests of arbitrary content: nothing panics, each is taken or refused as
// a whole, and what becomes an event is a valid one.
func FuzzProviders(f *testing.F) {
	names := []string{"ses", "sendgrid", "postmark", "mailgun", "brevo", "mailchimp", "mautic", "listmonk"}
	for i, name := range names {
		f.Add(uint8(i), unsubscribed()[name])
	}
	f.Add(uint8(0), `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","timestamp":"2026-11-18T08:59:59.123Z","bouncedRecipients":[{"emailAddress":"Ann <ann@example.com>"}]}}`)
	f.Add(uint8(1), `[{"email":"ann@example.com","timestamp":1e300,"event":"bounce"},{"timestamp":"-1","email":"ann@example.com","event":"group_resubscribe","asm_group_id":4711}]`)
	f.Add(uint8(4), `[{"event":"list_addition","email":["ann@example.com",1,null],"list_id":[7,{}],"ts":NaN}]`)
	f.Add(uint8(6), `{"mautic.lead_channel_subscription_changed":[[],{},null]}`)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		w := newWorld(t)
		switch got := w.deliver(t, names[int(which)%len(names)], body); got {
		case 200, 400, 401: // 401: what makes the wrapping of mailgun no JSON
		default:
			t.Errorf("answered %d", got)
		}
		for p, err := range w.store.Persons(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Events {
				if err := e.Validate(noon()); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
