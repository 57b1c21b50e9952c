package unsub

// textID names a page's text. The set is closed: every locale has all of them.
type textID int

// The texts.
const (
	textAsk textID = iota
	textDone
	textAccepted
	textFailed
	textNotFound
)

// text is what a page says.
type text struct{ Title, Lead string }

// locale is the texts of one language.
type locale struct {
	Lang                                                    string
	AddressLabel, StreamLabel, Everything, Button, Footnote string
	texts                                                   map[textID]text
}

func english() locale {
	return locale{
		Lang:         "en",
		AddressLabel: "Address",
		StreamLabel:  "Mail",
		Everything:   "all marketing mail",
		Button:       "Unsubscribe",
		Footnote:     "Mail that you need, such as receipts, still reaches you.",
		texts: map[textID]text{
			textAsk:      {"Unsubscribe", "One click, and this mail stops."},
			textDone:     {"You are unsubscribed", "This mail no longer reaches you. You can close this page."},
			textAccepted: {"You are unsubscribed", "Your request is recorded and in force. You can close this page."},
			textFailed:   {"That did not work", "Nothing was recorded. Please try again in a minute."},
			textNotFound: {"This link does not work", "Parts of it may be missing. Please open it from the message again."},
		},
	}
}

func french() locale {
	return locale{
		Lang:         "fr",
		AddressLabel: "Adresse",
		StreamLabel:  "Envoi",
		Everything:   "tous les messages publicitaires",
		Button:       "Se désabonner",
		Footnote:     "Les messages nécessaires, comme les reçus, vous parviennent toujours.",
		texts: map[textID]text{
			textAsk:  {"Désabonnement", "Un clic, et ces messages s’arrêtent."},
			textDone: {"Vous êtes désabonné", "Ces messages ne vous parviennent plus. Vous pouvez fermer cette page."},
			textAccepted: {
				"Vous êtes désabonné", "Votre demande est enregistrée et prise en compte. Vous pouvez fermer cette page.",
			},
			textFailed: {"Cela n’a pas fonctionné", "Rien n’a été enregistré. Veuillez réessayer dans une minute."},
			textNotFound: {
				"Ce lien ne fonctionne pas", "Il est peut-être incomplet. Veuillez l’ouvrir à nouveau depuis le message.",
			},
		},
	}
}
