package config

import (
	"errors"
	"strconv"
	"strings"
)

// Price is what one mail costs, in a currency of ISO 4217 or in none. Zero: not said.
type Price struct {
	Amount   float64
	Currency string
}

// maxPrice is more than any mail costs: a mail's price, not a month's bill.
const maxPrice = 100

// ParsePrice reads 0.0004, or 0.0004 EUR.
func ParsePrice(s string) (Price, error) {
	amount, currency, _ := strings.Cut(s, " ")
	p := Price{Currency: strings.TrimSpace(currency)}
	var err error
	p.Amount, err = strconv.ParseFloat(amount, 64)
	plain := strings.Trim(amount, ".0123456789") == "" // no exponent, no sign, no infinity
	if err != nil || !plain || p.Amount <= 0 || p.Amount > maxPrice || !isCurrency(p.Currency) {
		return Price{}, errors.New("is no price of one mail: write it as 0.0004 EUR or 0.0004, above 0 and up to 100")
	}
	return p, nil
}

func isCurrency(s string) bool {
	return s == "" || len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// String is what ParsePrice reads; empty for zero.
func (p Price) String() string {
	if p == (Price{}) {
		return ""
	}
	return strings.TrimSpace(strconv.FormatFloat(p.Amount, 'f', -1, 64) + " " + p.Currency)
}

// CostPerMail is the price at the first upstream that has one: mail goes to the first in order, so what was not sent
// would have gone there.
func (c *Config) CostPerMail() Price {
	for _, u := range c.Upstreams {
		if u.CostPerMail != (Price{}) {
			return u.CostPerMail
		}
	}
	return Price{}
}
