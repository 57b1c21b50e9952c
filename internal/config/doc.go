// Package config reads consentgate's settings: one YAML file, the environment and the flags of serve, in this order of
// growing weight, on top of defaults that need no file.
//
// Every problem is reported at once, each with its line, its field, what is wrong and what to do; an unknown key is a
// problem, never ignored. The result holds values of the domain (streams, networks, upstream targets), so that nothing
// behind it parses text again. It opens nothing: no socket, no store, no key. internal/app and cmd/consentgate import it.
package config
