package app

import (
	"net/http"
	"strings"
	"time"

	"github.com/consentgate/consentgate/unsub/hooks"
)

// openHooks makes the door for providers, which stands on the public listener whether any is configured or not.
func (a *App) openHooks() error {
	set, err := a.cfg.HookSettings()
	if err != nil {
		return err
	}
	a.hooks, err = hooks.New(hooks.Options{
		Settings: set, Refusals: a.withdrawals, Store: a.store, Keys: a.keys, Count: a.counts.Add, Now: time.Now, Log: a.log,
	})
	return err
}

// reloadHooks puts the settings in force; the caller has found them good.
func (a *App) reloadHooks(set hooks.Settings) {
	if a.hooks == nil {
		return
	}
	if err := a.hooks.Reload(set); err != nil {
		a.log.Error("hooks keep their settings", "err", err)
	}
}

// besidePages serves the hooks below /hooks/ and the pages everywhere else.
func (a *App) besidePages(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/hooks/") {
			a.hooks.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}
