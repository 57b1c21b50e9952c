package testredis

import (
	"os/exec"
	"syscall"
)

// endWithParent lets the server end with a test binary that is killed before its cleanup runs.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
