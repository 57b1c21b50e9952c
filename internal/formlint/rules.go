package formlint

// rule is one thing that can be wrong with a form.
type rule struct {
	id       string
	wrong    string
	citation string
	fix      string
}

// The laws that several rules rest on.
const (
	planet49   = "CJEU C-673/17 (Planet49)"
	definition = "GDPR Art. 4(11)"
	eprivacy   = "ePrivacy Directive 2002/58/EC Art. 13(1)"
)

func preTicked() rule {
	return rule{
		"pre-ticked",
		"the box is ticked before the person touches it, and to leave it so is no act of theirs",
		planet49 + ", paragraphs 52 to 65; " + definition + " and recital 32; " + eprivacy,
		"leave the box empty, so that the person ticks it; record those it was ticked for with method passive, default_state ticked",
	}
}

func locked() rule {
	return rule{
		"locked",
		"the box is ticked and cannot be cleared, so there is nothing to choose",
		definition + " (freely given) and recital 42; " + planet49 + ", paragraphs 52 to 65",
		"give an empty box that can be ticked or left, or take the box away and do not mail on its strength",
	}
}

func preSelected() rule {
	return rule{
		"pre-selected",
		"yes is chosen before the person touches it, and to leave it so is no act of theirs",
		planet49 + ", paragraphs 52 to 65; " + definition + " and recital 32; " + eprivacy,
		"choose nothing beforehand, and let the person pick yes or no; an empty box does the same with one click less",
	}
}

func hiddenYes() rule {
	return rule{
		"hidden-consent",
		"a hidden field says yes for a person who never sees it",
		definition + " (informed, an indication of wishes) and recital 32; Art. 7(1)",
		"take the field out, and ask with an empty box that people can see",
	}
}

func bundledTerms() rule {
	return rule{
		"bundled-terms",
		"one box takes terms or a privacy notice and consent to mail: who accepts the one cannot refuse the other",
		"GDPR Art. 7(2), Art. 7(4) and recital 43; " + planet49 + ", paragraph 58",
		"make it two boxes: the terms, which may be required, and an empty one for the mail, which may not; a link to the privacy notice needs no box",
	}
}

func severalPurposes() rule {
	return rule{
		"several-purposes",
		"one box asks for mail of your own and for partners: who wants the one cannot refuse the other",
		definition + " (specific), Art. 6(1)(a), recitals 32 and 43",
		"make it a box for each purpose, and name the partners",
	}
}

func demanded() rule {
	return rule{
		"required",
		"the form cannot be sent without consent to mail that it does not need",
		"GDPR Art. 7(4), recitals 42 and 43; " + definition + " (freely given)",
		"take required away from this box",
	}
}

func optOutWording() rule {
	return rule{
		"opt-out-wording",
		"who does nothing gets mail: silence is no consent",
		definition + " and recital 32; " + eprivacy,
		"ask for a yes with an empty box; to customers, for your own similar products, an offer to object will do (Art. 13(2)): record that with method soft",
	}
}

func noBox() rule {
	return rule{
		"no-box",
		"a sentence takes consent from a click that is for something else",
		planet49 + ", paragraph 59; " + definition + " and recital 32; " + eprivacy,
		"ask with an empty box of its own, beside the button",
	}
}
