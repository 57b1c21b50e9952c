//nolint:misspell // words of five languages
package formlint

// class is what a word speaks of. A text has a set of them.
type class uint32

const (
	marketing class = 1 << iota // newsletters, offers, advertising
	sharing                     // partners and other third parties
	consent                     // consent in so many words, profiling, cookies
	terms                       // terms of contract, rules of a contest
	privacy                     // the privacy notice
	accept                      // the person accepts, agrees, has read
	unwanted                    // the person does not want
	untick                      // the person is to clear a box
	necessary                   // cookies that need no consent
	lead                        // "by submitting this form"
	receive                     // "to receive"
	signUp                      // a button that asks for one thing: to subscribe
	yes
	no
	joins // and, or
	nameMarketing
	nameConsent
	nameOptOut
	namePlumbing // a name that is about the form and not about a wish
)

// asks are the classes of which one makes a box a question for consent.
const asks = marketing | sharing | consent | unwanted | nameMarketing | nameConsent | nameOptOut

// language is the words of one language by what they speak of. They are written in lower case, with accents or without;
// newsletter* is any word that begins so, *werbung any that ends so. Another language is one more of these.
type language struct {
	code  string
	words map[class][]string
}

// names are words of a control's name and id, which follow no language.
func names() map[class][]string {
	return map[class][]string{
		nameMarketing: {
			"newsletter*", "marketing", "mailing*", "promo*", "offers", "offres", "ofertas", "offerte", "angebote", "news", "nl",
			"advertising", "werbung", "publicidad", "pubblicita", "infolettre", "subscribe*", "partners", "partenaires", "partner",
			"thirdparty", "third party", "profiling",
		},
		nameConsent: {
			"optin*", "opt in", "consent*", "gdpr", "rgpd", "dsgvo", "einwilligung", "consentement", "consentimiento", "consenso",
		},
		nameOptOut: {"optout", "opt out", "no newsletter", "nonewsletter", "no marketing", "nomarketing"},
		namePlumbing: {
			"id", "ids", "uid", "list", "version", "text", "form", "nonce", "token", "csrf", "source", "count", "url", "type",
			"action", "code", "date", "time", "lang", "language", "page", "template", "redirect", "submit", "comments", "comment",
		},
	}
}

func languages() []language {
	return []language{english(), french(), german(), spanish(), italian()}
}

func english() language {
	return language{"en", map[class][]string{
		marketing: {
			"newsletter*", "marketing", "promotion*", "promo", "offers", "deals", "discounts", "vouchers", "advertis*", "commercial communications",
			"mailing list", "product news", "product updates", "news and updates", "updates and news", "latest news", "receive news",
			"receive updates", "keep me informed", "keep me updated", "keep me posted", "email updates", "e-mail updates",
			"receive emails", "receive e-mails", "hear from us", "hear from you", "stay in touch", "tips and tricks", "send me news",
		},
		sharing: {
			"partners", "partner", "third parties", "third party", "third-party", "sponsors", "affiliates", "selected companies",
			"group companies",
		},
		consent: {
			"consent", "consents", "cookies", "tracking", "profiling", "personalised", "personalized", "analytics",
			"processing of my", "process my", "use of my data", "use my data",
		},
		terms:   {"terms", "conditions", "contest rules", "official rules", "competition rules", "t cs"},
		privacy: {"privacy policy", "privacy notice", "privacy statement", "data protection"},
		accept:  {"accept*", "agree*", "consent*", "have read", "read and understood", "acknowledge*", "confirm"},
		unwanted: {
			"do not want", "don't want", "do not wish", "don't wish", "would not like", "prefer not", "rather not", "do not send",
			"don't send", "do not contact", "don't contact", "do not email", "opt me out", "tick to opt out", "check to opt out",
			"here to opt out",
		},
		untick:    {"untick*", "uncheck*", "un-tick", "un-check", "deselect*", "clear this box", "clear the box"},
		necessary: {"strictly necessary", "necessary cookies", "necessary", "essential", "essential cookies", "required cookies"},
		lead: {
			"by submitting", "by registering", "by signing", "by clicking", "by continuing", "by entering", "by participating",
			"by taking part", "by creating", "by completing", "by sending", "by providing", "by using", "by joining", "by downloading",
			"by pressing", "by placing", "by ordering", "by filling", "by proceeding", "when you register", "when you submit",
		},
		receive: {"receive", "receiving", "be contacted", "send you", "contact you", "email you"},
		signUp:  {"subscribe*", "join the mailing list"},
		yes: {
			"yes", "y", "true", "on", "1", "ok", "accept", "accepted", "agree", "allow", "subscribe", "subscribed", "optin",
			"opt in",
		},
		no:    {"no", "n", "not", "don't", "never", "none", "false", "off", "0", "deny", "decline", "reject"},
		joins: {"and", "or"},
	}}
}

func french() language {
	return language{"fr", map[class][]string{
		marketing: {
			"newsletter*", "infolettre*", "lettre d'information", "lettres d'information", "lettre d'actualité*", "offres", "bons plans",
			"promotion*", "publicit*", "prospection", "démarchage", "communications commerciales", "actualités", "nouveautés",
			"bons de réduction", "sollicitations", "recevoir des informations", "recevoir des e-mails", "recevoir des emails", "marketing",
		},
		sharing: {"partenaires", "partenaire", "tiers", "sponsors", "sociétés du groupe"},
		consent: {"consentement", "consens", "cookies", "traceurs", "profilage", "traitement de mes", "utilisation de mes données"},
		terms:   {"conditions générales", "conditions d'utilisation", "conditions", "cgu", "cgv", "règlement", "règlement du jeu"},
		privacy: {
			"politique de confidentialité", "politique de protection", "vie privée", "charte de confidentialité",
			"protection des données",
		},
		accept: {
			"accepte*", "j'ai lu", "avoir lu", "avez lu", "pris connaissance", "consens", "consentez", "d'accord", "approuve*",
			"reconnais*", "autorise*",
		},
		unwanted: {
			"ne souhaite pas", "ne souhaitez pas", "ne veux pas", "ne voulez pas", "ne désire pas", "ne désirez pas",
			"ne plus recevoir", "refuse de recevoir", "refusez de recevoir", "m'oppose",
		},
		untick:    {"décoch*", "désélectionn*"},
		necessary: {"strictement nécessaires", "nécessaires", "essentiels"},
		lead: {
			"en validant", "en soumettant", "en cliquant", "en envoyant", "en vous inscrivant", "en participant", "en continuant",
			"en remplissant", "en fournissant", "en créant", "en passant commande", "en téléchargeant", "en poursuivant",
		},
		receive: {"recevoir", "être contacté*"},
		signUp:  {"abonne*", "abonner"},
		yes:     {"oui", "o", "accepter", "j'accepte"},
		no:      {"non", "ne", "pas", "n", "refuser", "refuse", "aucun", "aucune"},
		joins:   {"et", "ou", "ainsi que"},
	}}
}

func german() language {
	return language{"de", map[class][]string{
		marketing: {
			"*newsletter*", "werbung", "*werbung", "werbe*", "angebote*", "rabatte*", "rabattaktionen", "neuigkeiten", "marketing*",
			"gutscheine*", "produktinformationen", "produktneuheiten", "rundbrief*", "mailings", "sonderaktionen",
		},
		sharing: {"partner*", "dritte", "dritten", "drittanbieter*", "sponsoren", "verbundene unternehmen", "konzernunternehmen"},
		consent: {"einwillig*", "willige", "cookies", "tracking", "profiling", "verarbeitung meiner", "nutzung meiner daten"},
		terms:   {"agb*", "geschäftsbedingungen", "*bedingungen", "teilnahmebedingungen"},
		privacy: {"datenschutz*", "datenschutzerklärung"},
		accept: {
			"akzeptier*", "stimme", "stimmen", "stimmst", "zustimm*", "einverstanden", "willige*", "einwillig*", "gelesen",
			"zur kenntnis", "bestätig*",
		},
		unwanted: {
			"möchte keine", "möchte keinen", "möchten keine", "möchten keinen", "möchte nicht", "möchten nicht", "wünsche keine",
			"wünsche keinen", "will keine", "will keinen", "keine werbung", "keinen newsletter", "widerspreche",
		},
		untick: {
			"haken entfernen", "häkchen entfernen", "entfernen sie den haken", "entfernen sie das häkchen", "abwählen", "abwählst",
			"deaktivier*",
		},
		necessary: {"notwendige", "notwendig", "erforderliche", "essenziell*", "essentiell*"},
		lead: {
			"mit dem absenden", "mit absenden", "durch absenden", "mit dem klick", "mit klick", "durch klick*", "durch anklicken",
			"mit der anmeldung", "mit der registrierung", "mit ihrer anmeldung", "mit ihrer registrierung", "mit der teilnahme",
			"mit ihrer teilnahme", "mit deiner teilnahme", "mit deiner anmeldung", "durch die teilnahme", "durch ihre teilnahme",
			"durch das absenden", "indem sie", "indem du", "mit dem fortfahren", "mit ihrer bestellung", "mit der bestellung",
		},
		receive: {"erhalten", "empfangen", "zugesandt", "zusenden", "zuschicken", "kontaktiert"},
		signUp:  {"abonnier*"},
		yes:     {"ja", "j", "zustimmen", "akzeptieren"},
		no:      {"nein", "nicht", "kein", "keine", "keinen", "ablehnen"},
		joins:   {"und", "oder", "sowie"},
	}}
}

func spanish() language {
	return language{"es", map[class][]string{
		marketing: {
			"newsletter*", "boletín", "boletines", "ofertas", "promocion*", "publicidad", "publicitari*", "comunicaciones comerciales",
			"novedades", "descuentos", "marketing", "recibir información",
		},
		sharing: {"socios", "colaboradores", "terceros", "patrocinadores", "empresas del grupo"},
		consent: {"consentimiento", "consiento", "cookies", "tratamiento de mis", "elaboración de perfiles"},
		terms:   {"términos", "condiciones", "bases legales", "bases del concurso", "bases del sorteo"},
		privacy: {"política de privacidad", "aviso de privacidad", "protección de datos", "aviso legal"},
		accept: {
			"acepto", "acepta*", "he leído", "ha leído", "consiento", "consiente*", "mi consentimiento", "de acuerdo", "autorizo",
			"autoriza*",
		},
		unwanted:  {"no deseo", "no desea", "no deseas", "no quiero", "no quieres", "no quiere", "no autorizo", "me opongo"},
		untick:    {"desmarc*", "desactiv*"},
		necessary: {"estrictamente necesarias", "necesarias", "esenciales"},
		lead: {
			"al enviar", "al registrar*", "al hacer clic", "al pulsar", "al participar", "al continuar", "al completar", "al crear",
			"al facilitar", "al inscribir*", "al rellenar", "al descargar", "al realizar",
		},
		receive: {"recibir", "enviemos", "enviarle", "enviarte"},
		signUp:  {"suscrib*"},
		yes:     {"sí", "s", "aceptar"},
		no:      {"no", "nunca", "rechazar"},
		joins:   {"y", "e", "o", "así como"},
	}}
}

func italian() language {
	return language{"it", map[class][]string{
		marketing: {
			"newsletter*", "offerte", "promozion*", "pubblicit*", "comunicazioni commerciali", "informazioni commerciali", "novità",
			"sconti", "marketing", "materiale promozionale",
		},
		sharing: {"partner", "terze parti", "soggetti terzi", "terzi", "sponsor", "società del gruppo"},
		consent: {"consenso", "acconsent*", "cookie", "profilazione", "trattamento dei miei"},
		terms:   {"termini", "condizioni", "regolamento"},
		privacy: {"informativa", "privacy policy", "informativa privacy", "protezione dei dati"},
		accept: {
			"accetto", "accetta*", "ho letto", "presa visione", "preso visione", "acconsent*", "consento", "mio consenso",
			"autorizz*",
		},
		unwanted: {
			"non desidero", "non desideri", "non desidera", "non voglio", "non vuoi", "non vuole", "non acconsento", "mi oppongo",
		},
		untick:    {"deseleziona*", "togli la spunta", "togliere la spunta", "rimuovi la spunta"},
		necessary: {"strettamente necessari", "necessari", "cookie tecnici", "essenziali"},
		lead: {
			"inviando", "cliccando", "registrandoti", "registrandosi", "partecipando", "proseguendo", "continuando", "compilando",
			"facendo clic", "premendo", "scaricando",
		},
		receive: {"ricevere", "inviarti", "inviarle"},
		signUp:  {"abbonati"},
		yes:     {"sì", "accetta"},
		no:      {"no", "non", "mai", "rifiuto", "rifiuta"},
		joins:   {"e", "ed", "o", "nonché"},
	}}
}
