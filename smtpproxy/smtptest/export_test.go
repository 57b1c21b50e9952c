package smtptest

// PlayWithin is Play with the time that a line may take.
var PlayWithin = play
