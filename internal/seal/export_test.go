package seal

// ExportCheaply is Export with a cost that tests can pay many times.
func ExportCheaply(dir string, o Options, passphrase string) (string, error) {
	return export(dir, o, passphrase, 4)
}
