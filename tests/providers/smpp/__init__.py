"""SMPP: octets against two libraries, sessions against our SMSC, other people's code and peers without manners."""
