"""The console: server-rendered pages for the people who run the gateway. Every route is declared once, in routes.py's
terms, with the role that it needs; guard.py holds all of them to session, role, CSRF token and origin."""
