package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

// document is the OpenAPI document of a server that offers everything.
func document(t *testing.T) map[string]any {
	t.Helper()
	s := newSite(t, func(o *admin.Options) {
		o.Stats = func(context.Context, admin.StatsQuery) (any, error) { return map[string]int{}, nil }
		o.Erase = func(context.Context, gate.ID, bool, string) (gate.Forgotten, error) { return gate.Forgotten{}, nil }
	})
	a := s.ask(t, "", "/openapi.json", "")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("got %d %s", a.status, a.header.Get("Content-Type"))
	}
	var doc map[string]any
	a.into(t, &doc)
	return doc
}

func TestTheOpenAPIDocumentListsEveryOperationWithItsToken(t *testing.T) {
	t.Parallel()
	doc := document(t)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi: %v", doc["openapi"])
	}
	var got []string
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			o := op.(map[string]any)
			got = append(got, strings.ToUpper(method)+" "+path)
			if diff := cmp.Diff([]any{map[string]any{"token": []any{}}}, o["security"]); diff != "" {
				t.Errorf("%s: security: %s", path, diff)
			}
			for _, field := range []string{"summary", "description", "operationId"} {
				if text, _ := o[field].(string); text == "" {
					t.Errorf("%s: no %s", path, field)
				}
			}
			checkResponses(t, path, o["responses"].(map[string]any))
		}
	}
	slices.Sort(got)
	want := []string{
		"GET /api/v1/blocks", "GET /api/v1/records/{recipient_id}", "GET /api/v1/stats", "POST /api/v1/check", "POST /api/v1/confirmations",
		"POST /api/v1/erase", "POST /api/v1/events", "POST /api/v1/links", "POST /api/v1/records/search",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// checkResponses: each operation says what it answers, and that its errors are problems.
func checkResponses(t *testing.T, path string, responses map[string]any) {
	t.Helper()
	for _, status := range []string{"200", "401", "403"} {
		if responses[status] == nil {
			t.Errorf("%s: no %s among %v", path, status, slices.Sorted(maps.Keys(responses)))
		}
	}
	for status, r := range responses {
		media := "application/problem+json"
		if status == "200" {
			media = "application/json"
		}
		if content, _ := r.(map[string]any)["content"].(map[string]any); content[media] == nil {
			t.Errorf("%s: %s without %s", path, status, media)
		}
	}
}

// What a tool that reads the document stumbles over first: a reference to nowhere, two operations of one id, a
// parameter of a path that is not declared.
func TestTheOpenAPIDocumentHoldsTogether(t *testing.T) {
	t.Parallel()
	doc := document(t)
	ids := make(map[any]bool)
	walk(doc, func(m map[string]any) {
		if ref, ok := m["$ref"].(string); ok && resolve(doc, ref) == nil {
			t.Errorf("%s is not there", ref)
		}
		if id, ok := m["operationId"]; ok {
			if ids[id] {
				t.Errorf("operation %v stands twice", id)
			}
			ids[id] = true
		}
		if m["in"] == "path" && m["required"] != true {
			t.Errorf("path parameter %v is not required", m["name"])
		}
	})
	for path, item := range doc["paths"].(map[string]any) {
		if text := fmt.Sprint(item); strings.Contains(path, "{recipient_id}") != strings.Contains(text, "in:path") {
			t.Errorf("%s: %s", path, text)
		}
		if strings.Contains(path, "recipient}") || strings.Contains(path, "address") {
			t.Errorf("%s: an address would stand in a URL", path)
		}
	}
}

func TestTheOpenAPIDocumentKnowsEveryFieldOfAnEvent(t *testing.T) {
	t.Parallel()
	doc := document(t)
	schema := resolve(doc, "#/components/schemas/Event").(map[string]any)
	text, err := json.Marshal(gate.Event{
		ID: "a", Recipient: "b", Purpose: "c", Via: "d", Method: "e", Jurisdiction: "f", Audience: "g",
		Controller: "h", Actor: "i", Source: gate.Source{Kind: "j"}, DefaultState: "k", Wording: gate.Wording{ID: "l"},
		Evidence: gate.Evidence{Ref: "m"}, IP: "n", UserAgent: "o", Note: "p",
	})
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(maps.Keys(event))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema["properties"].(map[string]any)))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"id", "time", "type"}, schema["required"], cmpopts.SortSlices(func(a, b any) bool { return a.(string) < b.(string) })); diff != "" {
		t.Errorf("required (-want +got):\n%s", diff)
	}
	sent := resolve(doc["paths"].(map[string]any)["/api/v1/events"], "#/post/requestBody/content").(map[string]any)
	types := resolve(sent["application/json"], "#/schema/properties/type/enum").([]any)
	if len(types) != 12 {
		t.Errorf("types: %v", types)
	}
	for _, e := range types {
		event := gate.Event{ID: "a", Type: gate.EventType(e.(string)), Purpose: "news", Method: "active", Via: "mailbox", Time: now(), Evidence: gate.Evidence{Ref: "proof"}}
		if err := event.Validate(now()); err != nil {
			t.Errorf("type %v: %v", e, err)
		}
	}
}

// walk visits every object of a JSON value.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, sub := range v {
			walk(sub, visit)
		}
	case []any:
		for _, sub := range v {
			walk(sub, visit)
		}
	}
}

// resolve follows a reference within the document; nil where it leads nowhere.
func resolve(doc any, ref string) any {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	for name := range strings.SplitSeq(path, "/") {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		doc = m[name]
	}
	return doc
}
