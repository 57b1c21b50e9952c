package admin

import (
	"context"

	"github.com/consentgate/consentgate/gate"
)

// Erase erases a person. actor is who asked for it.
type Erase func(ctx context.Context, id gate.ID, keepProof bool, actor string) (gate.Forgotten, error)

type eraseInput struct {
	Body struct {
		Recipient string `json:"recipient" doc:"Full address" maxLength:"512"`
		KeepProof bool   `json:"keep_proof,omitempty" doc:"Keep what was said and when, without the address, where a legal claim needs it"`
	}
}

type eraseOutput struct {
	Body struct {
		RecipientID string `json:"recipient_id"`
		Events      int    `json:"events" doc:"Events that were removed"`
		Kept        int    `json:"kept" doc:"Events that remain, without the address: refusals, and the one that records the erasure"`
		Blocks      int    `json:"blocks" doc:"Entries of the blocked-send log that lost the address"`
	}
}

func (s *Server) erase(ctx context.Context, in *eraseInput) (*eraseOutput, error) {
	addr, err := address(in.Body.Recipient)
	if err != nil {
		return nil, err
	}
	id := s.opt.Keys.ID(addr)
	detail := "proof no"
	if in.Body.KeepProof {
		detail = "proof yes"
	}
	if err := s.audit(ctx, "consent.erase", id, detail); err != nil {
		return nil, err
	}
	done, err := s.opt.Erase(ctx, id, in.Body.KeepProof, "api:"+holder(ctx).Name)
	if err != nil {
		return nil, s.failed(err)
	}
	out := new(eraseOutput)
	out.Body.RecipientID, out.Body.Events, out.Body.Kept, out.Body.Blocks = id.String(), done.Events, done.Kept, done.Blocks
	return out, nil
}
