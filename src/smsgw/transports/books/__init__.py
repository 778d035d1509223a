"""What the console keeps beside the messages: users, audit log, overlay, sums of traffic."""
