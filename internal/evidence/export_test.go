package evidence

// Words are those of a language.
func Words(lang string) map[string]string {
	l, err := newLocale(lang)
	if err != nil {
		panic(err)
	}
	return l.T
}

// Template is the page's source.
func Template() string {
	page, err := pageFiles.ReadFile("page.html")
	if err != nil {
		panic(err)
	}
	return string(page)
}
