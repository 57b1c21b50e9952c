package upstream

// ReadReply and MaxReply are for tests of the reply reader.
var ReadReply = readReply

const MaxReply = maxReply
