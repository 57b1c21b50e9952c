package inbound

import (
	"bytes"

	"github.com/consentgate/consentgate/unsub"
)

// Judgement is what a message to the address of the feedback loops comes to.
type Judgement struct {
	Refusal        bool // a complaint or an opt-out
	Kind, Reporter string
	Token          unsub.Token
}

// Judge reads a message as it is behind the header and the dots of transparency.
func Judge(message []byte, links *unsub.Links) Judgement {
	p := parser{links: links}
	p.message(bytes.NewReader(message))
	act := p.r.act(false)
	return Judgement{Refusal: act == complain || act == optOut, Kind: p.r.kind(), Reporter: p.r.reporter, Token: p.r.token}
}
