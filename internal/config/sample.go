package config

import _ "embed"

//go:embed sample.yaml
var sample []byte

// Sample is a commented config file that passes Parse, for an operator to start from.
func Sample() []byte { return sample }
