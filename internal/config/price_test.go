package config_test

import (
	"testing"

	"github.com/consentgate/consentgate/internal/config"
)

func TestAPriceIsAnAmountAndPerhapsACurrency(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Price{
		"0.0004":     {Amount: 0.0004},
		"0.0004 EUR": {Amount: 0.0004, Currency: "EUR"},
		"1 USD":      {Amount: 1, Currency: "USD"},
		".5":         {Amount: 0.5},
	} {
		got, err := config.ParsePrice(text)
		if err != nil || got != want {
			t.Errorf("%q = %v, %v; want %v", text, got, err, want)
		}
		if again, err := config.ParsePrice(got.String()); err != nil || again != want {
			t.Errorf("%q is written as %q, which is %v, %v", text, got, again, err)
		}
	}
}

func TestWhatIsNoPriceIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "EUR", "0", "-1", "1e-3", "inf", "NaN", "101", "0.1 eur", "0.1 €", "0.1 EUROS", "0,0004 EUR", "0.1 EUR USD"} {
		if got, err := config.ParsePrice(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestTheFirstUpstreamWithAPriceSetsIt(t *testing.T) {
	t.Parallel()
	c := config.Config{Upstreams: []config.Upstream{
		{}, {CostPerMail: config.Price{Amount: 2}}, {CostPerMail: config.Price{Amount: 3}},
	}}
	if got := c.CostPerMail(); got.Amount != 2 {
		t.Errorf("price %v, want that of the second", got)
	}
	if got := (&config.Config{}).CostPerMail(); got != (config.Price{}) {
		t.Errorf("price %v without upstreams", got)
	}
}
