//go:build !unix

package upstream

// alive knows nothing here: a connection that ended shows at the next envelope, which is then sent again on another.
func (c *conn) alive() bool { return c.r.Buffered() == 0 }
